package stripesim

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// API versions by their names. A version is older than another if its name sorts first.
const (
	// nativeVersion is the version in which objects are stored, and answered unless a request asks
	// for a newer one.
	nativeVersion = "2024-06-20"
	// latestVersion is the newest version rendered. Its shapes are those of npm's stripe 23.1.0.
	latestVersion = "2026-10-28.endive"
	// statusesRenamed is the version that renamed requires_source and requires_source_action.
	// Source: https://docs.stripe.com/upgrades#2019-02-11
	statusesRenamed = "2019-02-11"
	// chargesMoved is the version that replaced a payment's list of charges by latest_charge.
	// Source: https://docs.stripe.com/upgrades#2022-11-15
	chargesMoved = "2022-11-15"
	// refundEvents is the version since which a failed refund has an event of its own,
	// refund.failed.
	// Source: https://docs.stripe.com/changelog/acacia/2024-10-28/expanded-refund-webhook-support
	refundEvents = "2024-10-28"
)

var versionName = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$`)

func checkVersion(version string) error {
	if versionName.MatchString(version) {
		return nil
	}
	return fmt.Errorf("%q is not an API version; %s and %s are", version, nativeVersion, latestVersion)
}

// inVersion renders a value as the API version shows it. Versions between 2022-11-15 and
// 2026-10-28.endive are rendered as 2024-06-20 is.
func (a *account) inVersion(value any, version string) (any, error) {
	if version >= chargesMoved && version < latestVersion {
		return value, nil
	}
	tree, err := plain(value)
	if err != nil {
		return nil, err
	}
	a.convert(tree, version)
	return tree, nil
}

// snapshot is inVersion, as JSON.
func (a *account) snapshot(value any, version string) (json.RawMessage, error) {
	rendered, err := a.inVersion(value, version)
	if err != nil {
		return nil, err
	}
	return json.Marshal(rendered)
}

// convert changes every object of a tree in place.
func (a *account) convert(node any, version string) {
	switch at := node.(type) {
	case []any:
		for _, item := range at {
			a.convert(item, version)
		}
	case map[string]any:
		for _, member := range at {
			a.convert(member, version)
		}
		a.convertObject(at, version)
	}
}

func (a *account) convertObject(object map[string]any, version string) {
	kind, _ := object["object"].(string)
	if version >= latestVersion {
		a.modernize(object, kind)
		return
	}
	if kind == "payment_intent" {
		a.addCharges(object)
		if version < statusesRenamed {
			useSources(object)
		}
	}
}

// addCharges shows a payment's charges as versions before 2022-11-15 do.
func (a *account) addCharges(pi map[string]any) {
	delete(pi, "latest_charge")
	data := a.charges.newestFirst(func(ch *charge) bool { return string(ch.PaymentIntent) == pi["id"] })
	pi["charges"] = document{
		"object": "list", "data": append([]*charge{}, data...), "has_more": false, "total_count": len(data),
		"url": fmt.Sprint("/v1/charges?payment_intent=", pi["id"]),
	}
}

// useSources shows a payment as versions before 2019-02-11 do. Such an event has the newer members,
// too.
// Source: https://docs.stripe.com/upgrades#2019-02-11
func useSources(pi map[string]any) {
	switch pi["status"] {
	case string(requiresPaymentMethod):
		pi["status"] = "requires_source"
	case string(requiresAction):
		pi["status"] = "requires_source_action"
	}
	pi["allowed_source_types"] = pi["payment_method_types"]
	pi["next_source_action"] = pi["next_action"]
}
