// Package document turns text into trees of values with their places, and trees
// into text.
//
// Read takes YAML, and so JSON, of several documents. It promises to return
// whatever the bytes are: size, documents, words, depth and aliases are bounded
// before the YAML parser sees them, and a document that cannot be read is a
// Problem with line and column that does not hide the documents beside it. What
// YAML allows and files do not need (tags, merge keys, directives, keys that are
// no words) is refused. It knows nothing of what the documents say.
//
// A Piece is written as YAML or as JSON that Read reads back as the same tree.
package document
