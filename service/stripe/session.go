package stripe

import (
	"context"
	"net/http"
	"strconv"
	"time"

	stripego "github.com/stripe/stripe-go/v79"

	"kasse/service/payment"
)

// OpenSession makes a CustomerSession for Stripe's Payment Element. Each call has a new key, since the secret
// is single-use.
func (g *Gateway) OpenSession(
	ctx context.Context, customer payment.CustomerID, f payment.SessionFeatures,
) (payment.Session, error) {
	names, version := &elementNames, stripego.APIVersion
	if f.Surface == payment.SurfaceMobile {
		names, version = &mobileNames, mobileVersion
	}
	values := make(form, 0, 9+len(f.RedisplayOnly))
	values.add("customer", string(customer))
	values.add(names.enabled, "true")
	values.add(names.redisplay, enabled(f.ShowsSaved()))
	values.add(names.save, enabled(f.Save))
	values.add(names.remove, enabled(f.Remove))
	values.addUnlessEmpty(names.saveUsage, f.SaveUsage)
	values.addUnlessEmpty(names.saveAs, f.SaveAs)
	if f.RedisplayLimit != nil {
		values.add(names.limit, strconv.Itoa(*f.RedisplayLimit))
	}
	for i, filter := range f.RedisplayOnly {
		values.add(names.filters+"["+strconv.Itoa(i)+"]", filter)
	}
	var s session
	_, err := g.send(ctx, version, http.MethodPost, "/v1/customer_sessions", "", values.wire(), &s)
	if err != nil {
		return payment.Session{}, err
	}
	return payment.Session{ClientSecret: s.ClientSecret, ExpiresAt: time.Unix(s.ExpiresAt, 0).UTC()}, nil
}

// sessionNames are the parameters of a component of a CustomerSession.
type sessionNames struct {
	enabled, redisplay, save, remove, saveUsage, saveAs, limit, filters string
}

var elementNames, mobileNames = sessionNamesOf("payment_element"), sessionNamesOf("mobile_payment_element")

func sessionNamesOf(component string) sessionNames {
	name := "components[" + component + "]"
	feature := func(name string) string {
		return "components[" + component + "][features][payment_method_" + name + "]"
	}
	return sessionNames{
		enabled: name + "[enabled]", redisplay: feature("redisplay"), save: feature("save"), remove: feature("remove"),
		saveUsage: feature("save_usage"), saveAs: feature("save_allow_redisplay_override"),
		limit: feature("redisplay_limit"), filters: feature("allow_redisplay_filters"),
	}
}

func enabled(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}
