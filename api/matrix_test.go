package api_test

import (
	"crypto/sha256"
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

// credential is what a caller of the matrix comes with.
type credential struct {
	name   string
	header string // Authorization; empty: none
	scheme string // of openapi.yaml; empty: it is none, and refused with the code
	code   string
	scopes []service.Scope // of a service key
	order  string          // that a token or a client secret is for
	reads  bool            // a token without terms
	former bool            // a token of another customer of the order, which has no payment of its own there
}

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

// TestEveryOperationSaysWhoMayCallIt: the contract's own default stands for no operation. One that
// anybody may call says so, and one for service keys names the scope.
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

// expects returns the code of the refusal that openapi.yaml gives the credential, for a payment or
// an order that is its own or another's; empty where the request reaches the operation.
func (op operation) expects(c credential, target string) string {
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
		case strings.Contains(op.path, "{") && c.order != target:
			return "not_found"
		case c.former && op.OperationID == "getPayment":
			return "not_found"
		case c.former && op.OperationID == "createCustomerSession":
			return "order_conflict"
		}
		return ""
	}
	return "insufficient_scope"
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

// matrixKeys are a service key for each scope, and one with all of them.
func matrixKeys() (all []credential, keys []api.Key) {
	scopes := []service.Scope{service.ScopeRead, service.ScopeWrite, service.ScopeManage, service.ScopeEvents}
	sets := map[string][]service.Scope{"all": scopes}
	for _, scope := range scopes {
		sets[string(scope)] = []service.Scope{scope}
	}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		key := "ksk_" + strings.Repeat(name+"_", 12)
		keys = append(keys, newKey(name, key, sets[name]...))
		all = append(all, credential{name: "service key " + name, header: "Bearer " + key, scheme: byKey, scopes: sets[name]})
	}
	return all, keys
}

// credentials are all kinds: those that are valid, for shop-1 and for shop-2, and those that are none.
func (w *world) credentials(own, other opened) []credential {
	token := func(changed claims) string { return "Bearer " + w.token(changed) }
	now := w.now.Unix()
	forged := "Bearer " + sign(w.t, goodHeader, encode(w.t, w.claims(nil)), oldSecret, sha256.New)
	return []credential{
		{name: "order token", header: token(nil), scheme: byToken, order: "shop-1"},
		{name: "order token, reads only", header: token(claims{"amount": nil, "currency": nil}), scheme: byToken, order: "shop-1", reads: true},
		{name: "order token of the former customer", header: token(claims{"customer": "cus_former", "rev": 1}), scheme: byToken, order: "shop-1", former: true},
		{name: "the former customer's token, reads only", header: token(claims{"customer": "cus_former", "amount": nil, "currency": nil}), scheme: byToken, order: "shop-1", reads: true, former: true},
		{name: "order token of another order", header: token(claims{"order_id": "shop-2"}), scheme: byToken, order: "shop-2"},
		{name: "client secret", header: "Bearer " + own.ClientSecret, scheme: bySecret, order: "shop-1"},
		{name: "client secret of another payment", header: "Bearer " + other.ClientSecret, scheme: bySecret, order: "shop-2"},
		{name: "nothing", code: "unauthenticated"},
		{name: "unknown service key", header: "Bearer " + unknownKey, code: "unauthenticated"},
		{name: "expired order token", header: token(claims{"iat": now - 600, "exp": now - 1}), code: "token_expired"},
		{name: "forged order token", header: forged, code: "unauthenticated"},
		{name: "token without an order", header: token(claims{"order_id": nil}), code: "unauthenticated"},
		{name: "Basic", header: "Basic a2Fzc2U6aHVudGVyMg==", code: "unauthenticated"},
		{name: "Stripe's key", header: "Bearer sk_test_kasse", code: "unauthenticated"},
	}
}

// matrix is a world with one order of its own and another's, and every credential.
type matrix struct {
	*world
	credentials []credential
	targets     map[string]opened // by order
	counts      map[string]int    // cells by the code of their refusal
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{world: newWorld(t), counts: map[string]int{}}
	own, other := m.create("shop-1"), m.create("shop-2")
	keys, configured := matrixKeys()
	m.targets = map[string]opened{"shop-1": own, "shop-2": other}
	m.credentials = append(keys, m.world.credentials(own, other)...)
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
			for _, order := range slices.Sorted(maps.Keys(m.targets)) {
				want := op.expects(c, order)
				if !in(want) {
					continue
				}
				m.counts[want]++
				answer := m.send(op.request(m.t, c, m.targets[order].PaymentIntent, order))
				code := refusalOf(m.t, answer)
				if c.former && answer.status == http.StatusConflict {
					code = codeOf(m.t, answer)
				}
				if code != want {
					m.t.Errorf("%s %s with %s, of %s: %d %q, want %q: %s", op.method, op.path, c.name, order, answer.status, code, want, answer.body)
				}
			}
		}
	}
}

// TestAuthorizationMatrix: each operation of openapi.yaml, with each kind of credential, for an
// order that is its own and for another's, answers as the contract's security says. Who is refused
// writes nothing, and Stripe is not asked. A new operation is part of it by itself.
func TestAuthorizationMatrix(t *testing.T) {
	m := newMatrix(t)
	refused := func(want string) bool { return want != "" && want != "not_found" } // a question about another's may be noted
	dump, calls := m.dump(), len(m.stripe.Requests())
	m.check(refused)
	m.checkUntouched(dump, calls)
	m.check(func(want string) bool { return !refused(want) })
	t.Logf("%d operations, %d credentials, 2 orders: %v", len(operations(t)), len(m.credentials), m.counts)
	if len(operations(t)) < 15 || len(m.credentials) < 16 || m.counts[""] == 0 || m.counts["not_found"] == 0 || m.counts["insufficient_scope"] == 0 {
		t.Errorf("the matrix is too small: %v", m.counts)
	}
}

// refusalOf returns the code of an answer that says who may not come; empty for every other.
func refusalOf(t *testing.T, answer reply) string {
	t.Helper()
	if !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, answer.status) {
		return ""
	}
	return codeOf(t, answer)
}

// codeOf returns the code of a problem.
func codeOf(t *testing.T, answer reply) string {
	t.Helper()
	var problem struct{ Code string }
	answer.into(t, answer.status, &problem)
	return problem.Code
}
