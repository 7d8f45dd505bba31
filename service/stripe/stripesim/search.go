package stripesim

import (
	"regexp"
	"strconv"
	"strings"
)

// results is a page of a search: https://docs.stripe.com/search.
type results struct {
	Object   string    `json:"object"`
	Data     []*intent `json:"data"`
	HasMore  bool      `json:"has_more"`
	NextPage text      `json:"next_page"`
	URL      string    `json:"url"`
}

// clause is the supported part of Stripe's query language: field:'value', metadata['key']:'value',
// amount>5, joined by AND.
var clause = regexp.MustCompile(
	`^\s*(-?)(?:metadata\[(?:'([^']*)'|"([^"]*)")\]|(\w+))\s*(:|>=|<=|>|<)\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(-?\w+))\s*`,
)

// condition is one clause of a query.
type condition struct {
	negated, metadata        bool
	field, operator, operand string
}

func parseQuery(query string) ([]condition, *failure) {
	var out []condition
	for rest := query; ; {
		parts := clause.FindStringSubmatch(rest)
		if parts == nil {
			return nil, invalid("", "query", textBadQuery)
		}
		out = append(out, condition{
			negated: parts[1] == "-", metadata: parts[4] == "", field: parts[2] + parts[3] +
				parts[4], operator: parts[5],
			operand: unescape(parts[6] + parts[7] + parts[8]),
		})
		rest = rest[len(parts[0]):]
		if rest == "" {
			return out, nil
		}
		and := len("AND ")
		if len(rest) < and || !strings.EqualFold(rest[:and], "AND ") {
			return nil, invalid("", "query", "Search queries may only join clauses by AND here.")
		}
		rest = rest[and:]
	}
}

func unescape(s string) string {
	return strings.NewReplacer(`\'`, `'`, `\"`, `"`, `\\`, `\`).Replace(s)
}

// holds reports whether the condition is met; known is false for a field by which Stripe cannot search
// PaymentIntents.
func (q condition) holds(pi *intent) (met, known bool) {
	if q.metadata {
		value, there := pi.Metadata[q.field]
		return q.operator == ":" && (there && value == q.operand) != q.negated, true
	}
	switch q.field {
	case "status":
		return (string(pi.Status) == q.operand) != q.negated, true
	case "customer":
		return (string(pi.Customer) == q.operand) != q.negated, true
	case "currency":
		return (pi.Currency == q.operand) != q.negated, true
	case "amount":
		return q.compares(pi.Amount) != q.negated, true
	case "created":
		return q.compares(int64(pi.Created)) != q.negated, true
	}
	return false, false
}

func (q condition) compares(value int64) bool {
	bound, err := strconv.ParseInt(q.operand, 10, 64)
	if err != nil {
		return false
	}
	switch q.operator {
	case ">":
		return value > bound
	case ">=":
		return value >= bound
	case "<":
		return value < bound
	case "<=":
		return value <= bound
	}
	return value == bound
}

// searchIntents handles GET /v1/payment_intents/search. Its index has no delay; Stripe's may lag by a minute.
func (a *account) searchIntents(c *call) (any, error) {
	conditions, f := parseQuery(c.params.text("query"))
	if f != nil {
		return nil, f
	}
	for _, q := range conditions {
		if _, known := q.holds(&intent{}); !known {
			return nil, invalid("", "query", "Field `%s` is an unsupported search field for resource "+
				"`payment_intents`.",
				q.field)
		}
	}
	found := a.intents.newestFirst(func(pi *intent) bool {
		for _, q := range conditions {
			if met, _ := q.holds(pi); !met {
				return false
			}
		}
		return true
	})
	return resultsPage(c, found)
}

// resultsPage cuts a page out; the cursor is the number of results before it.
func resultsPage(c *call, found []*intent) (any, error) {
	limit, f := c.params.limit()
	if f != nil {
		return nil, f
	}
	start := 0
	if c.params.has("page") {
		n, err := strconv.Atoi(c.params.text("page"))
		if err != nil || n < 0 {
			return nil, invalid("", "page", "Invalid page: %s", c.params.text("page"))
		}
		start = min(n, len(found))
	}
	end := min(start+limit, len(found))
	out := &results{
		Object: "search_result", Data: append([]*intent{}, found[start:end]...), HasMore: end < len(found),
		URL: c.URL.Path,
	}
	if out.HasMore {
		out.NextPage = text(strconv.Itoa(end))
	}
	return out, nil
}
