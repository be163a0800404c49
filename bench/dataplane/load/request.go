package load

import (
	"fmt"
	"strings"
)

// The traffic: users who ask a model of the Open Inference Protocol.
const (
	// Users is how many users there are.
	Users = 4096
	// Model is the model that they ask.
	Model = "m"
	// Path is where they ask it.
	Path = "/v2/models/" + Model + "/infer"
	// StreamPath is where they ask for a stream.
	StreamPath = "/v1/chat/completions"
	// UserHeader names the user.
	UserHeader = "X-User-Id"
	// UserPointer names the user in the body.
	UserPointer = "/parameters/user"
	// StreamUserPointer names the user in the body of who asks for a stream.
	StreamUserPointer = "/user"
)

const host = "models.example"

// User is the name of the i-th user.
func User(i int) string { return fmt.Sprintf("user-%d", i%Users*7919) }

// body is what a user sends: 32 numbers, about 450 bytes.
func body(user string) string { return bodyStart() + user + bodyEnd }

func bodyStart() string {
	values := make([]string, 32)
	for i := range values {
		values[i] = fmt.Sprintf("0.%07d", 1234567+1113*i)
	}
	return `{"id":"req-1","inputs":[{"name":"input-0","shape":[1,32],"datatype":"FP32","data":[` + strings.Join(values, ",") + `]}],"parameters":{"user":"`
}

const bodyEnd = `"}}`

// Request is a whole request of a user.
func Request(user string) []byte { return post(Path, user, body(user)) }

// StreamRequest is a whole request for a stream.
func StreamRequest(user string) []byte {
	return post(StreamPath, user, `{"model":"`+Model+`","stream":true,"messages":[{"role":"user","content":"lorem ipsum dolor sit amet"}],"user":"`+user+`"}`)
}

func post(path, user, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
		path, host, UserHeader, user, len(body), body)
}

// Script is the same traffic for wrk, written in Lua: it makes the requests
// before it begins and goes through them in turn.
func Script() string {
	return fmt.Sprintf(`local requests, i = {}, 0
function init(args)
  for k = 1, %d do
    local user = string.format("user-%%d", (k - 1) * 7919)
    requests[k] = wrk.format("POST", %q, {["Host"] = %q, ["Content-Type"] = "application/json", [%q] = user}, '%s' .. user .. '%s')
  end
end
function request()
  i = i %% %d + 1
  return requests[i]
end
`, Users, Path, host, UserHeader, bodyStart(), bodyEnd, Users)
}
