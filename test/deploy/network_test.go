package deploy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestNetworkIsNarrow: every rule of the policy names its peers, and the HTTPS rule excludes private
// addresses.
func TestNetworkIsNarrow(t *testing.T) {
	c := render(t)
	for _, rule := range c.network.Spec.Ingress {
		if len(rule.From) == 0 || len(rule.Ports) != 1 {
			t.Errorf("an ingress rule must name its peers and one port: %v", rule)
		}
	}
	for _, rule := range c.network.Spec.Egress {
		if len(rule.To) == 0 || len(rule.Ports) == 0 {
			t.Errorf("an egress rule must name its peers and ports: %v", rule)
		}
		for _, to := range rule.To {
			if to.IPBlock == nil && to.PodSelector == nil {
				t.Errorf("an egress rule allows every pod: %v", rule)
			}
			if to.IPBlock == nil {
				continue
			}
			all := netip.MustParsePrefix(to.IPBlock.CIDR)
			for _, inside := range []string{
				"10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "127.0.0.1", "fd00:ec2::254",
				"fe80::1", "::1",
			} {
				address := netip.MustParseAddr(inside)
				excepted := slices.ContainsFunc(
					to.IPBlock.Except, func(p string) bool { return netip.MustParsePrefix(p).Contains(address) },
				)
				if all.Contains(address) && !excepted {
					t.Errorf("the HTTPS rule allows %s", inside)
				}
			}
		}
	}
	for proxy := range strings.SplitSeq(c.settings.Data["TRUSTED_PROXIES"], ",") {
		if proxy == "" {
			continue // to be set by the operator
		}
		if p, err := netip.ParsePrefix(proxy); err != nil || (p.Addr().Is4() && p.Bits() < 16) ||
			(p.Addr().Is6() && p.Bits() < 48) {
			t.Errorf("TRUSTED_PROXIES trusts too many addresses: %s (%v)", proxy, err)
		}
	}
}

// TestNetworkReaches: the policy lets the pods reach DNS and Redis, and lets the ingress, backends and Prometheus reach
// the pods. With one of Kasse's labels a selector would select Kasse's own pods.
func TestNetworkReaches(t *testing.T) {
	c := render(t)
	in, out := c.network.Spec.Ingress, c.network.Spec.Egress
	for what, peer := range map[string]struct {
		of   *metav1.LabelSelector
		want string
	}{
		"the ingress":     {in[0].From[0].NamespaceSelector, "kubernetes.io/metadata.name=ingress-nginx"},
		"backends":        {in[0].From[1].PodSelector, "kasse-client=true"},
		"Prometheus":      {in[1].From[0].NamespaceSelector, "kubernetes.io/metadata.name=monitoring"},
		"DNS":             {out[0].To[0].PodSelector, "k8s-app=kube-dns"},
		"DNS's namespace": {out[0].To[0].NamespaceSelector, "kubernetes.io/metadata.name=kube-system"},
		"Redis":           {out[1].To[0].PodSelector, "app.kubernetes.io/name=redis"},
	} {
		if got := metav1.FormatLabelSelector(peer.of); got != peer.want {
			t.Errorf("for %s the policy names %s, want %s", what, got, peer.want)
		}
	}
}
