package stripesim

import "strconv"

// list is a page of Stripe's cursor pagination: https://docs.stripe.com/api/pagination.
type list struct {
	Object  string `json:"object"`
	Data    []any  `json:"data"`
	HasMore bool   `json:"has_more"`
	URL     string `json:"url"`
}

// paging are the parameters of every list.
var paging = shape{"limit": anInteger, "starting_after": aText, "ending_before": aText, "expand": aList}

const (
	defaultLimit = 10
	maxLimit     = 100
)

func (p params) limit() (int, *failure) {
	if !p.has("limit") {
		return defaultLimit, nil
	}
	n := p.integer("limit")
	if n < 1 || n > maxLimit {
		return 0, invalid("parameter_invalid_integer", "limit", "This value must be between 1 and %d.", maxLimit)
	}
	return int(n), nil
}

// pageOf cuts the request's page out of rows, which are newest first.
func pageOf[T object](c *call, rows []T) (*list, error) {
	limit, f := c.params.limit()
	if f != nil {
		return nil, f
	}
	rows, more, f := window(c.params, rows, limit)
	if f != nil {
		return nil, f
	}
	page := &list{Object: "list", Data: make([]any, len(rows)), HasMore: more, URL: c.URL.Path}
	for i, row := range rows {
		page.Data[i] = row
	}
	return page, nil
}

func window[T object](p params, rows []T, limit int) ([]T, bool, *failure) {
	if before := p.text("ending_before"); before != "" {
		at := position(rows, before)
		if at < 0 {
			return nil, false, missing("object", before, "ending_before")
		}
		start := max(0, at-limit)
		return rows[start:at], start > 0, nil
	}
	if after := p.text("starting_after"); after != "" {
		at := position(rows, after)
		if at < 0 {
			return nil, false, missing("object", after, "starting_after")
		}
		rows = rows[at+1:]
	}
	n := min(limit, len(rows))
	return rows[:n], len(rows) > n, nil
}

func position[T object](rows []T, id string) int {
	for i, row := range rows {
		if row.id() == id {
			return i
		}
	}
	return -1
}

// within reports whether a time lies in the range of the parameter created; an absent one includes
// every time.
func (p params) within(at unix) bool {
	if exact := p.text("created"); exact != "" {
		return strconv.FormatInt(int64(at), 10) == exact
	}
	bounds, when := p.child("created"), int64(at)
	return (!bounds.has("gt") || when > bounds.integer("gt")) &&
		(!bounds.has("gte") || when >= bounds.integer("gte")) &&
		(!bounds.has("lt") || when < bounds.integer("lt")) &&
		(!bounds.has("lte") || when <= bounds.integer("lte"))
}

// matches reports whether a value is the one asked for; an absent parameter matches all.
func (p params) matches(name, value string) bool { return !p.has(name) || p.text(name) == value }
