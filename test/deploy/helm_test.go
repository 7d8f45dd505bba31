package deploy_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const chart = "deploy/helm/kasse"

// template does what `helm template` does, with Helm's own code: it validates the values by the schema and
// renders the chart. values is YAML.
func template(t *testing.T, release, values string) (objects [][]byte, err error) {
	t.Helper()
	loaded, err := loader.Load(filepath.Join(root, chart))
	if err != nil {
		t.Fatal(err)
	}
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	as := chartutil.ReleaseOptions{Name: release, Namespace: "shop", IsInstall: true}
	all, err := chartutil.ToRenderValues(loaded, given, as, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	rendered, err := engine.Render(loaded, all)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		text := rendered[name]
		var object map[string]any
		if strings.HasSuffix(name, "NOTES.txt") {
			continue
		}
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		if len(object) > 0 { // a disabled template renders nothing
			objects = append(objects, []byte(text))
		}
	}
	return objects, nil
}

const image = "image: {repository: r.example/kasse, tag: \"1.2\"}\n"

// renderChart decodes the chart's objects strictly and returns the missing kinds.
func renderChart(t *testing.T, release, values string) (*cluster, []string) {
	t.Helper()
	objects, err := template(t, release, values)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, objects)
}

// comparable removes the fields that only Helm or only kustomize writes: labels of the release, the name of the
// settings, and the annotation that restarts pods after a change.
func (c *cluster) comparable() *cluster {
	for _, labels := range []map[string]string{
		c.account.Labels, c.settings.Labels, c.service.Labels, c.deployment.Labels, c.budget.Labels, c.scaler.Labels,
		c.network.Labels, c.deployment.Spec.Template.Labels, c.deployment.Spec.Selector.MatchLabels,
		c.service.Spec.Selector, c.budget.Spec.Selector.MatchLabels, c.network.Spec.PodSelector.MatchLabels,
		c.deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	} {
		for _, name := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
			delete(labels, name)
		}
	}
	c.settings.Name = "kasse"
	c.deployment.Spec.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name = "kasse"
	delete(c.deployment.Spec.Template.Annotations, "checksum/settings")
	slices.SortFunc(c.deployment.Spec.Template.Spec.Containers[0].Env, func(a, b corev1.EnvVar) int {
		return strings.Compare(a.Name, b.Name)
	})
	return c
}

// TestChartIsTheManifests: with its default values the chart renders the same objects as kustomize, in every
// field.
func TestChartIsTheManifests(t *testing.T) {
	got, missing := renderChart(t, "kasse", "image: {repository: kasse, tag: unknown}")
	if len(missing) > 0 {
		t.Errorf("the chart has no %v", missing)
	}
	emptyIsNone := cmp.Transformer("emptyIsNone", func(m map[string]string) map[string]string {
		if len(m) == 0 {
			return nil
		}
		return maps.Clone(m)
	})
	different := cmp.Diff(*render(t).comparable(), *got.comparable(), cmp.AllowUnexported(cluster{}),
		cmp.FilterValues(func(x, y map[string]string) bool { return len(x) == 0 && len(y) == 0 }, emptyIsNone))
	if different != "" {
		t.Errorf("kustomize (-) and Helm (+) differ:\n%s", different)
	}
}

// TestChartValues: each value appears in the right field.
func TestChartValues(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	c, missing := renderChart(t, "test", `
image: {repository: r.example/kasse, tag: "1.2", digest: "`+digest+`", pullSecrets: [registry]}
secret: {name: kasse-test, files: {EVENT_ENDPOINTS: event-endpoints}}
settings: {REDIS_WAIT_REPLICAS: 1, ORDER_INDEX: false, STRIPE_READ_RPS: 1000000}
autoscaling: {enabled: false}
networkPolicy: {redis: {cidrs: [10.1.2.3/32], ports: [6380]}, clientLabels: {role: shop}}
podLabels: {team: pay}
`)
	if !slices.Equal(missing, []string{"autoscaling/v2 HorizontalPodAutoscaler"}) {
		t.Errorf("without autoscaling %v are missing, want only the autoscaler", missing)
	}
	pod := c.deployment.Spec.Template
	container := pod.Spec.Containers[0]
	env := map[string]string{}
	for _, variable := range container.Env {
		env[variable.Name] = variable.Value
	}
	to := c.network.Spec.Egress[1]
	for what, same := range map[string]bool{
		"image":         container.Image == "r.example/kasse@"+digest,
		"pull secret":   pod.Spec.ImagePullSecrets[0].Name == "registry",
		"replicas":      *c.deployment.Spec.Replicas == 2,
		"name":          c.deployment.Name == "test-kasse" && c.service.Name == "test-kasse",
		"settings":      c.settings.Data["STRIPE_READ_RPS"] == "1000000" && c.settings.Data["ORDER_INDEX"] == "false",
		"other default": c.settings.Data["REDIS_MODE"] == "single" && c.settings.Data["REDIS_WAIT_REPLICAS"] == "1",
		"endpoints":     env["EVENT_ENDPOINTS_FILE"] == "/secrets/event-endpoints",
		"other file":    env["REDIS_URL_FILE"] == "/secrets/redis-url",
		"secret":        pod.Spec.Volumes[0].Secret.SecretName == "kasse-test",
		"redis": len(to.To) == 1 && to.To[0].IPBlock.CIDR == "10.1.2.3/32" &&
			to.Ports[0].Port.IntValue() == 6380,
		"pod labels": pod.Labels["team"] == "pay" && c.deployment.Spec.Selector.MatchLabels["team"] == "",
	} {
		if !same {
			t.Errorf("the value is not in its field: %s", what)
		}
	}
	for what, selector := range map[string]map[string]string{
		"Service": c.service.Spec.Selector, "PodDisruptionBudget": c.budget.Spec.Selector.MatchLabels,
		"NetworkPolicy": c.network.Spec.PodSelector.MatchLabels, "Deployment": c.deployment.Spec.Selector.MatchLabels,
	} {
		if selector["app.kubernetes.io/instance"] != "test" || selector["app.kubernetes.io/name"] != "kasse" {
			t.Errorf("the %s selects %v", what, selector)
		}
	}
}

// TestChartRolls: a changed setting changes the pod template.
func TestChartRolls(t *testing.T) {
	checksum := func(values string) string {
		c, _ := renderChart(t, "kasse", image+values)
		return c.deployment.Spec.Template.Annotations["checksum/settings"]
	}
	if same, other := checksum(""), checksum("settings: {LOG_LEVEL: debug}"); same != checksum("") || same == other {
		t.Errorf("the checksums of different settings are %s and %s", same, other)
	}
}

// TestChartRefuses: a wrong value is named, and no object is rendered.
func TestChartRefuses(t *testing.T) {
	for values, want := range map[string]string{
		"":                                     "set image.repository",
		"image: {repository: r.example/kasse}": "set image.tag or image.digest",
		image + "settings: {STRIPE_SECRET_KEY: sk_test_1}": "settings.STRIPE_SECRET_KEY would stand " +
			"in a ConfigMap",
		image + "settings: {EVENT_ENDPOINTS: https://a.example=whsec}": "secret.files.EVENT_ENDPOINTS",
		image + "settings: {ADMIN_ADDR: \":1\"}":                       "settings.ADMIN_ADDR is set by the chart",
		image + "settings: {REDIS_URL_FILE: /x}":                       "settings.REDIS_URL_FILE is set by the chart",
		image + "settings: {redis_mode: single}":                       "redis_mode",
		image + "secret: {files: {STRIPE_KEY: x}}":                     "STRIPE_KEY",
		image + "networkpolicy: {enabled: false}":                      "networkpolicy",
		// No label would match every pod.
		image + "networkPolicy: {clientLabels: {kasse-client: null}}": "clientLabels",
		image + "networkPolicy: {redis: {ports: []}}":                 "ports", // no port would mean every port
		image + "replicas: two":                                       "replicas",
	} {
		if _, err := template(t, "kasse", values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, want %q in it", values, err, want)
		}
	}
}

// TestChartNamesAllSecrets: the chart mounts every secret that Kasse reads from a file, and sets it in no
// other way.
func TestChartNamesAllSecrets(t *testing.T) {
	schema, helpers := string(read(t, chart+"/values.schema.json")), string(read(t, chart+"/templates/_helpers.tpl"))
	files := fileVariables(t)
	if len(files) < 6 {
		t.Fatalf("only %v have a _FILE form", files)
	}
	for _, name := range files {
		if !strings.Contains(schema, `"`+name+`": { "$ref": "#/definitions/entry" }`) ||
			!strings.Contains(helpers, `"`+name+`"`) {
			t.Errorf("the chart does not treat %s as a secret", name)
		}
	}
}

// fileVariables returns the variables that have a _FILE form.
func fileVariables(t *testing.T) (names []string) {
	t.Helper()
	for _, match := range regexp.MustCompile(`envconfig:"([A-Z_]+)_FILE"`).FindAllSubmatch(
		read(t, "cmd/internal/app/config.go"), -1,
	) {
		names = append(names, string(match[1]))
	}
	return names
}
