package payment

import "slices"

// Stripe's defaults of a CustomerSession.
const defaultRedisplayLimit = 3

var defaultRedisplayFilters = []string{"always"}

// Narrow returns the features that a page asks for, and what in them is wider than f, each with a pointer under the
// given one. A member that the page leaves out is Stripe's default, or f's where that is narrower.
//
//	member                  | narrower or equal
//	------------------------|--------------------------------------
//	redisplay, save, remove | off, or on where f has it on
//	redisplay_limit         | not larger
//	allow_redisplay_filters | a subset
//	save_usage              | equal, while save is on
//	save_allow_redisplay    | equal
//	surface                 | equal
func (f SessionFeatures) Narrow(asked SessionFeatures, at string) (SessionFeatures, Problems) {
	n := asked
	if n.Redisplay == nil {
		n.Redisplay = f.Redisplay
	}
	if n.RedisplayLimit == nil && f.redisplayLimit() < defaultRedisplayLimit {
		n.RedisplayLimit = f.RedisplayLimit
	}
	if n.RedisplayOnly == nil && !isSubset(defaultRedisplayFilters, f.redisplayFilters()) {
		n.RedisplayOnly = f.RedisplayOnly
	}
	if n.Surface == "" {
		n.Surface = f.Surface
	}
	if n.SaveAs == "" {
		n.SaveAs = f.SaveAs
	}
	const detail = "is more than the order token allows"
	var p Problems
	p.check(!n.ShowsSaved() || f.ShowsSaved(), at+"/redisplay", detail)
	p.check(n.redisplayLimit() <= f.redisplayLimit(), at+"/redisplay_limit", detail)
	p.check(isSubset(n.redisplayFilters(), f.redisplayFilters()), at+"/allow_redisplay_filters", detail)
	p.check(!n.Save || f.Save, at+"/save", detail)
	p.check(
		!n.Save || !f.Save || n.SaveUsage == f.SaveUsage, at+"/save_usage",
		"differs from what the order token allows",
	)
	p.check(!n.Remove || f.Remove, at+"/remove", detail)
	p.check(n.SaveAs == f.SaveAs, at+"/save_allow_redisplay", "differs from what the order token allows")
	p.check(n.surface() == f.surface(), at+"/surface", "differs from what the order token allows")
	return n, p
}

func (f SessionFeatures) redisplayLimit() int {
	if f.RedisplayLimit == nil {
		return defaultRedisplayLimit
	}
	return *f.RedisplayLimit
}

func (f SessionFeatures) redisplayFilters() []string {
	if f.RedisplayOnly == nil {
		return defaultRedisplayFilters
	}
	return f.RedisplayOnly
}

func (f SessionFeatures) surface() string {
	if f.Surface == "" {
		return SurfaceWeb
	}
	return f.Surface
}

func isSubset(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(word string) bool { return !slices.Contains(whole, word) })
}

// sessionPointer is where a body names the features of a session.
const sessionPointer = "/customer_session"

// NarrowSession is Narrow for a request body. It returns CodeClaimMismatch if the page requests more, and
// CodeInvalidRequest if Stripe would not accept the result.
func NarrowSession(most, asked SessionFeatures) (SessionFeatures, error) {
	n, wider := most.Narrow(asked, sessionPointer)
	if len(wider) > 0 {
		return n, &Error{
			Code:   CodeClaimMismatch,
			Detail: "A page may only narrow the customer session that its order token allows.",
			Fields: wider,
		}
	}
	if p := n.Problems(sessionPointer); len(p) > 0 {
		return n, Invalid(p)
	}
	return n, nil
}

// SessionFor returns the session features of a create for an attempt; nil means a new attempt. A token
// without the claim has the attempt's own features, or the defaults, narrowed by the page's request.
func (r CreateRequest) SessionFor(a *Attempt) (SessionFeatures, error) {
	if !r.Unclaimed {
		return r.Session, nil
	}
	var most SessionFeatures
	if a != nil && a.Session != nil {
		most = *a.Session
	}
	if r.Asked == nil {
		return most, nil
	}
	return NarrowSession(most, *r.Asked)
}
