package spec

import "github.com/belay-rollouts/belay/internal/core/spec/field"

// schemaID is where the published schema is found.
const schemaID = "https://belay.dev/schema/belay.dev_v1alpha1.json"

// Schema returns the JSON Schema (draft 2020-12) of one document, for editors
// and for checks before a file reaches a server. It takes everything that Parse
// takes; what depends on several fields at once only Parse knows.
func Schema() []byte {
	return field.Schema(schemaID, "Belay "+APIVersion, "A model, a policy or a rollout. One file may hold several documents.",
		modelDocument, policyDocument, rolloutDocument)
}
