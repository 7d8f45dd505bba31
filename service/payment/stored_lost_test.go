package payment

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sameStored fails the test if an order differs from the one that was written, and names the members.
func sameStored(t *testing.T, want, got Order) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return
	}
	lost := &lostMembers{}
	cmp.Equal(want, got, cmp.Exporter(func(reflect.Type) bool { return true }), cmp.Reporter(lost))
	t.Errorf("the stored form does not keep these: give each the next free tag of its struct in "+
		"service/payment/stored*.go\n%s", strings.Join(lost.texts, "\n"))
}

// lostMembers lists the members of structs that differ after writing and reading, each once.
type lostMembers struct {
	path  cmp.Path
	names []string
	texts []string
}

func (l *lostMembers) PushStep(s cmp.PathStep) { l.path = append(l.path, s) }

func (l *lostMembers) PopStep() { l.path = l.path[:len(l.path)-1] }

func (l *lostMembers) Report(r cmp.Result) {
	if r.Equal() {
		return
	}
	name := "Order"
	for i := len(l.path) - 1; i > 0; i-- {
		if member, ok := l.path[i].(cmp.StructField); ok {
			name = l.path[i-1].Type().Name() + "." + member.Name()
			break
		}
	}
	if slices.Contains(l.names, name) {
		return
	}
	wrote, read := l.path.Last().Values()
	l.names = append(l.names, name)
	l.texts = append(l.texts, fmt.Sprintf("\t%s: wrote %v, read %v", name, wrote, read))
}
