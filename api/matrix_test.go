package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"kasse/api"
	"kasse/service"
)

// The schemes of openapi.yaml that a credential may be of.
const (
	bySecret = "clientSecretAuth"
	byToken  = "orderTokenAuth"
	byKey    = "serviceKey"
)

// operation is an operation of openapi.yaml.
type operation struct {
	*openapi3.Operation
	method, path string
	shared       openapi3.Parameters // of all the path's operations
}

// operations are those of the public listener, in a fixed order.
func operations(t *testing.T) (all []operation) {
	t.Helper()
	paths := contract(t).Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for _, method := range slices.Sorted(maps.Keys(paths[path].Operations())) {
			op := operation{paths[path].GetOperation(method), method, path, paths[path].Parameters}
			if !isProbe(op.Operation) {
				all = append(all, op)
			}
		}
	}
	return all
}

// TestEveryOperationSaysWhoMayCallIt: no operation relies on the document's default security. A public one
// is marked as public, and one for service keys names the scope.
func TestEveryOperationSaysWhoMayCallIt(t *testing.T) {
	for _, op := range operations(t) {
		if op.Security == nil {
			t.Errorf("%s %s does not say who may call it", op.method, op.path)
			continue
		}
		for _, requirement := range *op.Security {
			for scheme, scopes := range requirement {
				known := slices.Contains([]string{bySecret, byToken, byKey}, scheme)
				if !known || len(requirement) != 1 || (len(scopes) == 1) != (scheme == byKey) {
					t.Errorf("%s %s has the requirement %v", op.method, op.path, requirement)
				}
			}
		}
	}
}

// expects returns the code of the refusal that openapi.yaml prescribes for the credential, a payment and its
// order; empty if the request is allowed.
func (op operation) expects(c credential, t target) string {
	if len(*op.Security) == 0 {
		return ""
	}
	if c.scheme == "" {
		return c.code
	}
	for _, requirement := range *op.Security {
		scopes, named := requirement[c.scheme]
		switch {
		case !named:
			continue
		case c.scheme == byKey && !slices.Contains(c.scopes, service.Scope(scopes[0])):
			return "insufficient_scope"
		case c.scheme == byKey:
			return ""
		case c.reads && op.OperationID == "createPayment": // it has no amount to be paid
			return "insufficient_scope"
		case strings.Contains(op.path, "{") && c.order != t.order:
			return "not_found"
		}
		return op.expectsOfPayment(c, t)
	}
	return "insufficient_scope"
}

// expectsOfPayment is expects for the payments of one order: its customers may have changed.
func (op operation) expectsOfPayment(c credential, t target) string {
	switch another := !c.anyone && c.customer != t.customer; {
	case c.scheme == bySecret && c.payment != t.payment:
		return "not_found"
	case c.scheme == byToken && another && op.OperationID == "getPayment":
		return "not_found"
	case c.scheme == byToken && (another || c.anyone) && op.OperationID == "createCustomerSession":
		return "order_conflict"
	}
	return ""
}

// request is one that the contract allows: with the examples of its parameters, and the first of its bodies.
func (op operation) request(t *testing.T, c credential, payment, order string) request {
	t.Helper()
	path := strings.NewReplacer("{payment_intent}", payment, "{order_id}", order).Replace(op.path)
	r := request{line: op.method + " " + path, header: map[string]string{}, bad: true}
	if strings.Contains(r.line, "{") {
		t.Fatalf("%s has a parameter that the matrix does not know", r.line)
	}
	if c.header != "" {
		r.header["Authorization"] = c.header
	}
	for _, parameter := range slices.Concat(op.shared, op.Parameters) {
		if p := parameter.Value; p.In == "header" && p.Required {
			r.header[p.Name] = fmt.Sprint(p.Example)
		}
	}
	if op.RequestBody == nil {
		return r
	}
	examples := op.RequestBody.Value.Content["application/json"].Examples
	text, err := json.Marshal(examples[slices.Min(slices.Collect(maps.Keys(examples)))].Value.Value)
	if err != nil {
		t.Fatal(err)
	}
	r.body = string(text)
	return r
}

// matrix is an environment with an order that one customer has opened and another took over, an order of a
// third customer, and every credential.
type matrix struct {
	*apiEnv
	credentials []credential
	targets     []target
	counts      map[string]int // cells by the code of their refusal
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{apiEnv: newEnv(t), counts: map[string]int{}}
	is, was := m.customer(), m.customer()
	var present, former opened
	rev := m.now.UnixMilli() - 10_000
	m.send(
		request{line: createLine, token: m.token(claims{"customer": was, "rev": rev})},
	).into(t, http.StatusCreated, &former)
	m.send(
		request{line: createLine, token: m.token(claims{"customer": is, "rev": rev + 1})},
	).into(t, http.StatusCreated, &present)
	other := m.create("shop-2")
	keys, configured := matrixKeys()
	m.targets = []target{
		{
			"shop-1", present.PaymentIntent, is,
		}, {"shop-1", former.PaymentIntent, was}, {"shop-2", other.PaymentIntent, ""},
	}
	m.credentials = append(keys, m.apiEnv.credentials(present, former, other, is, was)...)
	o := m.options(discard())
	o.Keys = configured
	m.api = httptest.NewServer(api.New(m.service, o))
	t.Cleanup(m.api.Close)
	return m
}

// check sends the request of every cell that the condition holds for.
func (m *matrix) check(in func(want string) bool) {
	m.t.Helper()
	for _, op := range operations(m.t) {
		for _, c := range m.credentials {
			for _, about := range m.targets {
				want := op.expects(c, about)
				if !in(want) {
					continue
				}
				m.counts[want]++
				answer := m.send(op.request(m.t, c, about.payment, about.order))
				if code := refusalOf(m.t, answer); code != want {
					m.t.Errorf(
						"%s %s with %s, of %v: %d %q, want %q: %.200s", op.method, op.path, c.name, about,
						answer.status, code, want, answer.body,
					)
				}
			}
		}
	}
}

// TestAuthorizationMatrix sends each operation of openapi.yaml with each kind of credential, for a payment of
// the order's current customer, of its former one, and of another order. The result agrees with the
// contract's security. A refused caller writes nothing and causes no call to Stripe. New operations are
// included automatically.
func TestAuthorizationMatrix(t *testing.T) {
	m := newMatrix(t)
	refused := func(want string) bool {
		return want != "" && want != "not_found"
	} // a question about another's may be noted
	dump, calls := m.dump(), len(m.stripe.Requests())
	m.check(refused)
	m.checkUntouched(dump, calls)
	m.check(func(want string) bool { return !refused(want) })
	t.Logf(
		"%d operations, %d credentials, %d payments: %v", len(operations(t)), len(m.credentials), len(m.targets),
		m.counts,
	)
	if len(operations(t)) < 15 || len(m.credentials) < 20 {
		t.Errorf("the matrix is too small: %v", m.counts)
	}
	for _, code := range []string{
		"", "not_found", "insufficient_scope", "order_conflict", "token_expired", "unauthenticated",
	} {
		if m.counts[code] == 0 {
			t.Errorf("no cell expects %q: %v", code, m.counts)
		}
	}
}

// refusalOf returns the response's code if it is a refusal of access; otherwise "". An order_conflict counts
// if the terms are not in question, since a session is for one customer.
func refusalOf(t *testing.T, answer reply) string {
	t.Helper()
	switch answer.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return codeOf(t, answer)
	case http.StatusConflict:
		if code := codeOf(t, answer); code == "order_conflict" {
			return code
		}
	}
	return ""
}

// codeOf returns the code of a problem.
func codeOf(t *testing.T, answer reply) string {
	t.Helper()
	var problem struct{ Code string }
	answer.into(t, answer.status, &problem)
	return problem.Code
}
