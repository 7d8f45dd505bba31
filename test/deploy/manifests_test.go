package deploy_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const manifests = "deploy/kubernetes"

// cluster is what kustomize makes of the folder.
type cluster struct {
	account    corev1.ServiceAccount
	settings   corev1.ConfigMap
	service    corev1.Service
	deployment appsv1.Deployment
	budget     policyv1.PodDisruptionBudget
	scaler     autoscalingv2.HorizontalPodAutoscaler
	network    networkingv1.NetworkPolicy
}

// render builds the folder, and decodes each object strictly: an unknown or doubled field fails.
func render(t *testing.T) *cluster {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, manifests))
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{}
	into := map[string]any{
		"v1 ServiceAccount": &c.account, "v1 ConfigMap": &c.settings, "v1 Service": &c.service, "apps/v1 Deployment": &c.deployment,
		"policy/v1 PodDisruptionBudget": &c.budget, "autoscaling/v2 HorizontalPodAutoscaler": &c.scaler,
		"networking.k8s.io/v1 NetworkPolicy": &c.network,
	}
	for _, object := range built.Resources() {
		kind := strings.TrimPrefix(object.GetApiVersion()+" "+object.GetKind(), "/")
		text, err := object.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		if into[kind] == nil {
			t.Fatalf("%s is unexpected, or there twice", kind)
		}
		if err := yaml.UnmarshalStrict(text, into[kind]); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		delete(into, kind)
	}
	if len(into) > 0 {
		t.Errorf("there is no %v", slices.Collect(maps.Keys(into)))
	}
	return c
}

// TestFolder: what lies there is used.
func TestFolder(t *testing.T) {
	kustomization := read(t, manifests+"/kustomization.yaml")
	entries, err := os.ReadDir(filepath.Join(root, manifests))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != "kustomization.yaml" && name != "README.md" && !bytes.Contains(kustomization, []byte("- "+name)) {
			t.Errorf("%s is no resource", name)
		}
	}
}

// TestManifests: what one object says of another is so.
func TestManifests(t *testing.T) {
	c := render(t)
	pod := c.deployment.Spec.Template
	labels := pod.Labels
	for what, selector := range map[string]map[string]string{
		"Service": c.service.Spec.Selector, "Deployment": c.deployment.Spec.Selector.MatchLabels, "PodDisruptionBudget": c.budget.Spec.Selector.MatchLabels,
		"NetworkPolicy": c.network.Spec.PodSelector.MatchLabels, "spread": pod.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	} {
		if len(selector) == 0 || !maps.Equal(selector, labels) {
			t.Errorf("the %s is for %v, the pods are %v", what, selector, labels)
		}
	}
	if target := c.scaler.Spec.ScaleTargetRef; target.Kind != "Deployment" || target.Name != c.deployment.Name || c.deployment.Spec.Replicas != nil {
		t.Errorf("the autoscaler scales %v; the deployment wants %v", target, c.deployment.Spec.Replicas)
	}
	if *c.scaler.Spec.MinReplicas < 2 || c.budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Error("one disruption may take all")
	}
	container := pod.Spec.Containers[0]
	if from := container.EnvFrom[0].ConfigMapRef.Name; from != c.settings.Name {
		t.Errorf("the settings come from %s, and are called %s", from, c.settings.Name)
	}
	var ports []string
	for _, port := range container.Ports {
		ports = append(ports, port.Name)
	}
	for _, port := range []string{
		c.service.Spec.Ports[0].TargetPort.String(), container.LivenessProbe.HTTPGet.Port.String(), container.ReadinessProbe.HTTPGet.Port.String(),
		container.StartupProbe.HTTPGet.Port.String(), c.network.Spec.Ingress[0].Ports[0].Port.String(), c.network.Spec.Ingress[1].Ports[0].Port.String(),
	} {
		if !slices.Contains(ports, port) {
			t.Errorf("the container has no port %s", port)
		}
	}
	if c.network.Spec.Ingress[0].Ports[0].Port.String() != "http" || len(c.network.Spec.Ingress[0].Ports) != 1 {
		t.Error("anybody may reach more than the API")
	}
}

// TestPodIsShut: the pod is one that the strictest of Kubernetes' Pod Security Standards admits, and can write nowhere.
func TestPodIsShut(t *testing.T) {
	pod := render(t).deployment.Spec.Template.Spec
	container := pod.Containers[0]
	shut := map[string]bool{
		"runs as 65532":       *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser == 65532,
		"seccomp":             pod.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"no escalation":       !*container.SecurityContext.AllowPrivilegeEscalation,
		"read-only root":      *container.SecurityContext.ReadOnlyRootFilesystem,
		"no capabilities":     slices.Equal(container.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"}) && container.SecurityContext.Capabilities.Add == nil,
		"no token":            !*pod.AutomountServiceAccountToken,
		"no host":             !pod.HostNetwork && !pod.HostPID && !pod.HostIPC,
		"secrets not for all": *pod.Volumes[0].Secret.DefaultMode == 0o440,
	}
	for what, is := range shut {
		if !is {
			t.Errorf("not so: %s", what)
		}
	}
}

// TestTimes: a pod is given longer than the server takes, and the server longer than the drain.
func TestTimes(t *testing.T) {
	c := render(t)
	duration := func(name string) time.Duration {
		d, err := time.ParseDuration(c.settings.Data[name])
		if err != nil {
			t.Error(err)
		}
		return d
	}
	grace := time.Duration(*c.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	if shutdown, drain := duration("SHUTDOWN_TIMEOUT"), duration("DRAIN_DELAY"); grace <= shutdown || shutdown <= drain {
		t.Errorf("killed after %s, shut down after %s, drained for %s", grace, shutdown, drain)
	}
	if grace := compose(t).Services["kasse"].StopGracePeriod; time.Duration(*grace) <= 25*time.Second {
		t.Errorf("Compose kills after %s, and the default of SHUTDOWN_TIMEOUT is 25s", grace)
	}
}

// TestSecrets: the files that are read are those that the README makes of them.
func TestSecrets(t *testing.T) {
	var mounted []string
	container := render(t).deployment.Spec.Template.Spec.Containers[0]
	for _, variable := range container.Env {
		switch {
		case strings.HasSuffix(variable.Name, "_FILE"):
			mounted = append(mounted, strings.TrimPrefix(variable.Value, container.VolumeMounts[0].MountPath+"/"))
		case variable.ValueFrom != nil:
			mounted = append(mounted, variable.ValueFrom.SecretKeyRef.Key)
		}
	}
	var made []string
	for _, match := range regexp.MustCompile(`--from-file=([a-z-]+)`).FindAllSubmatch(read(t, manifests+"/README.md"), -1) {
		made = append(made, string(match[1]))
	}
	slices.Sort(mounted)
	slices.Sort(made)
	if !slices.Equal(mounted, made) {
		t.Errorf("%v are read, %v are made", mounted, made)
	}
}

// compose reads compose.yaml as Compose does, but for .env.
func compose(t *testing.T) *types.Project {
	t.Helper()
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  t.TempDir(),
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: read(t, "compose.yaml")}},
		Environment: types.Mapping{"STRIPE_SECRET_KEY": "sk_test_1"},
	}, func(o *loader.Options) { o.Profiles, o.SkipResolveEnvironment = []string{"stripe"}, true })
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestCompose(t *testing.T) {
	project := compose(t)
	redis := strings.Join(project.Services["redis"].Command, " ")
	for _, setting := range []string{"--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"} {
		if !strings.Contains(redis, setting) {
			t.Errorf("redis is not started with %s", setting)
		}
	}
	kasse := project.Services["kasse"]
	if !kasse.ReadOnly || !slices.Equal(kasse.CapDrop, []string{"ALL"}) || len(kasse.Ports) != 1 || kasse.Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("kasse is open: %+v", kasse)
	}
	stripe := project.Services["stripe"]
	if !slices.Equal(stripe.Profiles, []string{"stripe"}) || !slices.Contains(stripe.Command, "http://kasse:8080/webhooks/stripe") {
		t.Errorf("the Stripe CLI is %+v", stripe)
	}
}

// TestNames: every variable that is set anywhere is one that Kasse reads.
func TestNames(t *testing.T) {
	known := map[string]bool{"GOMEMLIMIT": true} // the Go runtime's
	for _, match := range regexp.MustCompile(`envconfig:"([A-Z0-9_]+)"`).FindAllStringSubmatch(string(read(t, "cmd/internal/app/config.go")), -1) {
		known[match[1]] = true
	}
	if len(known) < 30 {
		t.Fatalf("only %d variables are known", len(known))
	}
	set := map[string][]string{"compose.yaml": slices.Collect(maps.Keys(compose(t).Services["kasse"].Environment))}
	c := render(t)
	set[manifests] = slices.Collect(maps.Keys(c.settings.Data))
	for _, variable := range c.deployment.Spec.Template.Spec.Containers[0].Env {
		set[manifests] = append(set[manifests], variable.Name)
	}
	for _, match := range regexp.MustCompile(`(?m)^(?:# )?([A-Z][A-Z0-9_]+)=`).FindAllStringSubmatch(string(read(t, ".env.example")), -1) {
		set[".env.example"] = append(set[".env.example"], match[1])
	}
	for where, names := range set {
		if len(names) < 3 {
			t.Errorf("%s sets only %v", where, names)
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s sets %s, which nothing reads", where, name)
			}
		}
	}
	if bytes.Contains(read(t, "Dockerfile"), []byte("\nENV ")) {
		t.Error("the Dockerfile sets something, and the tests do not look at it")
	}
}
