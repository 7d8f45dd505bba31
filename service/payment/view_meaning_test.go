package payment

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestEveryMemberHasAMeaning fails if sameMeaning does not compare a member. A change of that member alone
// would keep the view's version and ETag.
func TestEveryMemberHasAMeaning(t *testing.T) {
	follows := strings.Fields(`Next Final PollAfter CreatedAt`) // they follow from other members, or never change
	stamps := strings.Fields(`Version UpdatedAt`)               // they belong to the last change of meaning
	view := reflect.TypeFor[View]()
	for part := range view.NumField() {
		of := view.Field(part)
		for i := range of.Type.NumField() {
			name := of.Type.Field(i).Name
			changed := View{}
			(&filler{}).fill(settable(reflect.ValueOf(&changed).Elem().Field(part)).Field(i))
			exempt := slices.Contains(slices.Concat(follows, stamps), name)
			if changed.sameMeaning(View{}) != exempt {
				t.Errorf("%s.%s: sameButDetails or sameMeaning in service/payment/view.go compares it: %v, want %v",
					of.Name, name, exempt, !exempt)
			}
		}
	}
}

// settable returns a part of a struct that reflection may write, although its name is not exported.
func settable(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
}
