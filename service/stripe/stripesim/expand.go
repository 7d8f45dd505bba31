package stripesim

import (
	"slices"
	"strings"
)

// expandDepth is Stripe's own limit: https://docs.stripe.com/expand.
const expandDepth = 4

// expand replaces ids by the objects they name, along paths such as latest_charge.refunds or
// data.customer.
func (a *account) expand(result any, paths []string) (any, *failure) {
	tree, err := plain(result)
	if err != nil {
		return nil, serverError()
	}
	for _, path := range paths {
		steps := strings.Split(path, ".")
		if len(steps) > expandDepth {
			return nil, invalid("", "expand", "You cannot expand more than %d levels of a property. Property: %s",
				expandDepth,
				path)
		}
		if slices.Contains(a.unexpandable, steps[len(steps)-1]) {
			return nil, permissionMissing(path)
		}
		if !a.expandPath(tree, steps) {
			return nil, invalid("", "expand", "This property cannot be expanded (%s).", path)
		}
	}
	return tree, nil
}

func (a *account) expandPath(node any, steps []string) bool {
	if len(steps) == 0 || node == nil {
		return true
	}
	switch at := node.(type) {
	case []any:
		for _, item := range at {
			if !a.expandPath(item, steps) {
				return false
			}
		}
		return true
	case map[string]any:
		return a.expandMember(at, steps[0], steps[1:])
	}
	return false
}

func (a *account) expandMember(at map[string]any, name string, rest []string) bool {
	value, there := at[name]
	if name == "refunds" && at["object"] == "charge" {
		value, there = a.refundsOf(at), true
	}
	if id, ok := value.(string); ok {
		found, err := plain(a.lookup(id))
		if err != nil || found == nil {
			return false
		}
		value = found
	}
	if !there {
		return false
	}
	at[name] = value
	return a.expandPath(value, rest)
}

// refundsOf is the one list that Stripe omits unless it is expanded (since 2022-11-15).
func (a *account) refundsOf(charge map[string]any) any {
	id, _ := charge["id"].(string)
	rows := a.refunds.newestFirst(func(r *refund) bool { return r.Charge == text(id) })
	tree, err := plain(document{
		"object": "list", "data": rows, "has_more": false,
		"url": "/v1/charges/" + id + "/refunds",
	})
	if err != nil {
		return nil
	}
	if page := tree.(map[string]any); page["data"] == nil { //nolint:forcetypeassert // a document is always an object
		page["data"] = []any{}
	}
	return tree
}

// lookup finds an object of any type by its id; nil if there is none.
func (a *account) lookup(id string) any {
	prefix, _, _ := strings.Cut(id, "_")
	switch prefix {
	case "cus":
		if cu := found(a.customers, id); cu != nil {
			return cu
		}
		return deletedCustomer(id)
	case "pm":
		return found(a.methods, id)
	case "pi":
		return found(a.intents, id)
	case "ch", "py":
		return found(a.charges, id)
	case "re", "pyr":
		return found(a.refunds, id)
	case "dp":
		return found(a.disputes, id)
	case "prv":
		return found(a.reviews, id)
	}
	return nil
}

func found[T object](t *table[T], id string) any {
	if row, ok := t.find(id); ok {
		return row
	}
	return nil
}
