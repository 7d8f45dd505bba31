package payment

import "time"

// Surfaces of a CustomerSession: a web page or a native app.
const (
	SurfaceWeb    = "web"
	SurfaceMobile = "mobile" // Stripe's native SDKs
)

// SessionFeatures are the features of Stripe's Payment Element that a CustomerSession switches on.
//
// Source: https://docs.stripe.com/api/customer_sessions/create
type SessionFeatures struct {
	Redisplay      *bool    `json:"redisplay,omitempty"`       // show the saved methods; on unless switched off
	RedisplayLimit *int     `json:"redisplay_limit,omitempty"` // of saved methods, 1 to 10
	RedisplayOnly  []string `json:"allow_redisplay_filters,omitempty"`
	Save           bool     `json:"save,omitempty"` // offer to save a new method
	SaveUsage      string   `json:"save_usage,omitempty"`
	Remove         bool     `json:"remove,omitempty"`  // offer to remove a saved one
	Surface        string   `json:"surface,omitempty"` // web by default
	// always, limited or unspecified: consent of a saved method, in native apps
	SaveAs string `json:"save_allow_redisplay,omitempty"`
	Added  Added  `json:"-"` // by a newer program
}

// ShowsSaved reports whether the saved methods are shown.
func (f SessionFeatures) ShowsSaved() bool { return f.Redisplay == nil || *f.Redisplay }

// Session is a CustomerSession; its secret is good for one use.
type Session struct {
	ClientSecret Secret
	ExpiresAt    time.Time
}
