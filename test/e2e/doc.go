// Package e2e tests whole servers from the outside: real processes, real
// sockets, a real database, and model servers that are fakes only where a fault
// has to come on command. Tests that need more than Go or more than seconds
// carry the build tag integration.
package e2e
