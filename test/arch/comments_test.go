package arch_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// storyWords are the words of a narrator. Engineering English has a plain word for each: "reported", "the caller",
	// "no caller", "returns", "contains", "with any". A comment may begin with a function that is named so.
	storyWords = regexp.MustCompile(
		`(?i)\b(told|tells|said|heard|hears|whoever|whomever|nobody|somebody|saying|whatever|whichever|hence)\b|\S (?-i:says?)\b`,
	)
	// nounClauses begin a sentence with a clause in place of its subject, so that it has to be read twice. A question
	// may begin so.
	nounClauses = regexp.MustCompile(
		`(?:^|\. |: )(?:What|Whatever|Who|Whoever|Whose|Where|Wherever) [^.?]*(?:[.]|$)|(?:^|\. )That (?:a|an|the|it) `)
)

// TestCommentsUsePlainWords: comments of Go files have no word and no sentence of a story. Generated files are left
// out.
func TestCommentsUsePlainWords(t *testing.T) {
	read := 0
	for path, text := range goFiles(t, ".go") {
		if strings.Contains(text[:min(len(text), 200)], "DO NOT EDIT") {
			continue
		}
		read++
		for _, fault := range commentFaults(t, path, text) {
			t.Error(fault)
		}
	}
	if read < 500 {
		t.Errorf("%d files were read", read)
	}
}

// commentFaults returns the faults of a file's comments, with their positions.
func commentFaults(t *testing.T, path, text string) (faults []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Base(path) == "comments_test.go" // names the words
	for _, group := range file.Comments {
		comment := strings.Join(strings.Fields(group.Text()), " ")
		at := files.Position(group.Pos()).String()
		if word := storyWords.FindString(comment); word != "" && !own {
			faults = append(faults, at+": use another word than "+word)
		}
		if clause := nounClauses.FindString(comment); clause != "" {
			faults = append(faults, at+": begin the sentence with its subject: "+strings.TrimLeft(clause, ".: "))
		}
	}
	return faults
}

// TestCommentFaultsAreFound: each kind of fault is found, and plain comments have none.
func TestCommentFaultsAreFound(t *testing.T) {
	for comment, faults := range map[string]int{
		"take counts a request. Where none is left it returns an error.": 1,
		"What is measured.":                                           1,
		"tell reports what Redis was told.":                           1,
		"Whoever asks gets an answer, and nobody else.":               2,
		"hold waits. That the lease has ended is no error.":           1,
		"load returns the order; nil if there is none. That is rare.": 0,
		"Where does the time go?":                                     0,
		"says checks the status, and returns the body.":               0,
		"port says where Kasse listens, and what it serves.":          1,
		"load returns the order, whatever its state is.":              1,
	} {
		if found := commentFaults(t, "a.go", "package a\n\n// "+comment+"\nvar a int\n"); len(found) != faults {
			t.Errorf("%q has the faults %v, want %d", comment, found, faults)
		}
	}
}
