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

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const manifests = "deploy/kubernetes"

// cluster holds the objects that kustomize builds from the folder.
type cluster struct {
	account    corev1.ServiceAccount
	settings   corev1.ConfigMap
	service    corev1.Service
	deployment appsv1.Deployment
	budget     policyv1.PodDisruptionBudget
	scaler     autoscalingv2.HorizontalPodAutoscaler
	network    networkingv1.NetworkPolicy
}

// render builds the folder and decodes each object strictly. An unknown or duplicate field fails.
func render(t *testing.T) *cluster {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(
		filesys.MakeFsOnDisk(), filepath.Join(root, manifests),
	)
	if err != nil {
		t.Fatal(err)
	}
	var objects [][]byte
	for _, object := range built.Resources() {
		text, err := object.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, text)
	}
	c, missing := decode(t, objects)
	if len(missing) > 0 {
		t.Errorf("kustomize builds no %v", missing)
	}
	return c
}

// decode decodes objects strictly and returns the missing kinds.
func decode(t *testing.T, objects [][]byte) (c *cluster, missing []string) {
	t.Helper()
	c = &cluster{}
	into := map[string]any{
		"v1 ServiceAccount": &c.account, "v1 ConfigMap": &c.settings, "v1 Service": &c.service,
		"apps/v1 Deployment":            &c.deployment,
		"policy/v1 PodDisruptionBudget": &c.budget, "autoscaling/v2 HorizontalPodAutoscaler": &c.scaler,
		"networking.k8s.io/v1 NetworkPolicy": &c.network,
	}
	for _, text := range objects {
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(text, &meta); err != nil {
			t.Fatal(err)
		}
		kind := meta.APIVersion + " " + meta.Kind
		if into[kind] == nil {
			t.Fatalf("%s is unexpected, or exists twice", kind)
		}
		if err := yaml.UnmarshalStrict(text, into[kind]); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		delete(into, kind)
	}
	return c, slices.Sorted(maps.Keys(into))
}

// TestFolder: kustomize uses every file of the folder.
func TestFolder(t *testing.T) {
	kustomization := read(t, manifests+"/kustomization.yaml")
	entries, err := os.ReadDir(filepath.Join(root, manifests))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if name != "kustomization.yaml" && name != "README.md" && !bytes.Contains(kustomization, []byte("- "+name)) {
			t.Errorf("%s is not a resource of kustomization.yaml", name)
		}
	}
}

// TestManifests: references between objects are right.
func TestManifests(t *testing.T) {
	c := render(t)
	pod := c.deployment.Spec.Template
	labels := pod.Labels
	for what, selector := range map[string]map[string]string{
		"Service": c.service.Spec.Selector, "Deployment": c.deployment.Spec.Selector.MatchLabels,
		"PodDisruptionBudget": c.budget.Spec.Selector.MatchLabels,
		"NetworkPolicy":       c.network.Spec.PodSelector.MatchLabels,
		"spread":              pod.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	} {
		if len(selector) == 0 || !maps.Equal(selector, labels) {
			t.Errorf("the %s selects %v, the pods have %v", what, selector, labels)
		}
	}
	if target := c.scaler.Spec.ScaleTargetRef; target.Kind != "Deployment" || target.Name != c.deployment.Name ||
		c.deployment.Spec.Replicas != nil {
		t.Errorf("the autoscaler scales %v; the deployment sets replicas %v", target, c.deployment.Spec.Replicas)
	}
	if *c.scaler.Spec.MinReplicas < 2 || c.budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Error("one disruption may stop all replicas")
	}
	container := pod.Spec.Containers[0]
	if from := container.EnvFrom[0].ConfigMapRef.Name; from != c.settings.Name {
		t.Errorf("the container takes its settings from %s, and the ConfigMap is %s", from, c.settings.Name)
	}
	if spread := pod.Spec.TopologySpreadConstraints[0]; spread.TopologyKey != corev1.LabelHostname ||
		spread.MaxSkew != 1 {
		t.Errorf("the pods are spread over %s by %d", spread.TopologyKey, spread.MaxSkew)
	}
	live, ready := container.LivenessProbe.HTTPGet, container.ReadinessProbe.HTTPGet
	start := container.StartupProbe.HTTPGet
	if live.Path != "/livez" || ready.Path != "/readyz" || start.Path != "/livez" {
		t.Errorf("the probes request %s, %s and %s", live.Path, ready.Path, start.Path)
	}
	var ports []string
	for _, port := range container.Ports {
		ports = append(ports, port.Name)
	}
	for _, port := range []string{
		c.service.Spec.Ports[0].TargetPort.String(), live.Port.String(), ready.Port.String(), start.Port.String(),
		c.network.Spec.Ingress[0].Ports[0].Port.String(), c.network.Spec.Ingress[1].Ports[0].Port.String(),
	} {
		if !slices.Contains(ports, port) {
			t.Errorf("the container has no port %s", port)
		}
	}
	if c.network.Spec.Ingress[0].Ports[0].Port.String() != "http" || len(c.network.Spec.Ingress[0].Ports) != 1 {
		t.Error("the first ingress rule must open the API's port only")
	}
}

// TestPodIsHardened: the pod satisfies the restricted Pod Security Standard and has no writable file system.
func TestPodIsHardened(t *testing.T) {
	pod := render(t).deployment.Spec.Template.Spec
	container := pod.Containers[0]
	hardened := map[string]bool{
		"runs as 65532":  *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser == 65532,
		"seccomp":        pod.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"no escalation":  !*container.SecurityContext.AllowPrivilegeEscalation,
		"read-only root": *container.SecurityContext.ReadOnlyRootFilesystem,
		"no capabilities": container.SecurityContext.Capabilities.Add == nil &&
			slices.Equal(container.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"}),
		"no service account token":   !*pod.AutomountServiceAccountToken,
		"no namespaces of the host":  !pod.HostNetwork && !pod.HostPID && !pod.HostIPC,
		"secrets not world-readable": *pod.Volumes[0].Secret.DefaultMode == 0o440,
	}
	for what, is := range hardened {
		if !is {
			t.Errorf("the pod is not hardened: %s", what)
		}
	}
}

// TestResources: requests and limits are set for the autoscaler and the scheduler, and Go's memory limit is
// below the container's.
func TestResources(t *testing.T) {
	container := render(t).deployment.Spec.Template.Spec.Containers[0]
	requests, limit := container.Resources.Requests, container.Resources.Limits.Memory()
	if requests.Cpu().IsZero() || requests.Memory().IsZero() || limit.Cmp(*requests.Memory()) < 0 {
		t.Errorf("the container requests %v, with a limit of %s", requests, limit)
	}
	at := slices.IndexFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
	soft, err := resource.ParseQuantity(strings.TrimSuffix(container.Env[at].Value, "B")) // Go writes MiB for Mi
	if err != nil || soft.Cmp(*limit) >= 0 {
		t.Errorf("GOMEMLIMIT is %s, the limit %s (%v)", soft.String(), limit, err)
	}
}

// TestTerminationTimes: a pod's grace period exceeds the server's shutdown timeout, which exceeds the drain
// delay.
func TestTerminationTimes(t *testing.T) {
	c := render(t)
	duration := func(name string) time.Duration {
		d, err := time.ParseDuration(c.settings.Data[name])
		if err != nil {
			t.Error(err)
		}
		return d
	}
	grace := time.Duration(*c.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	shutdown, drain := duration("SHUTDOWN_TIMEOUT"), duration("DRAIN_DELAY")
	if grace <= shutdown || shutdown <= drain {
		t.Errorf("grace period %s, SHUTDOWN_TIMEOUT %s, DRAIN_DELAY %s: each must exceed the next",
			grace, shutdown, drain)
	}
	if grace := compose(t).Services["kasse"].StopGracePeriod; time.Duration(*grace) <= 25*time.Second {
		t.Errorf("Compose kills after %s, and the default of SHUTDOWN_TIMEOUT is 25s", grace)
	}
}

// TestSecrets: Kasse reads the files that the README creates. A variable that can be a file is not a setting.
func TestSecrets(t *testing.T) {
	var mounted []string
	c := render(t)
	for name := range c.settings.Data {
		if bytes.Contains(read(t, "cmd/internal/app/config.go"), []byte(`"`+name+`_FILE"`)) {
			t.Errorf("the ConfigMap holds %s", name)
		}
	}
	container := c.deployment.Spec.Template.Spec.Containers[0]
	for _, variable := range container.Env {
		switch {
		case strings.HasSuffix(variable.Name, "_FILE"):
			mounted = append(mounted, strings.TrimPrefix(variable.Value, container.VolumeMounts[0].MountPath+"/"))
		case variable.ValueFrom != nil:
			if variable.Name != "STRIPE_PUBLISHABLE_KEY" {
				t.Errorf("%s is a secret, and is not mounted as a file", variable.Name)
			}
			mounted = append(mounted, variable.ValueFrom.SecretKeyRef.Key)
		}
	}
	var made []string
	for _, match := range regexp.MustCompile(`--from-file=([a-z-]+)`).FindAllSubmatch(
		read(t, manifests+"/README.md"), -1,
	) {
		made = append(made, string(match[1]))
	}
	slices.Sort(mounted)
	slices.Sort(made)
	if !slices.Equal(mounted, made) {
		t.Errorf("the pod reads %v, the README creates %v", mounted, made)
	}
}

// TestAdminPortIsReached: the manifests open the admin port to the kubelet and Prometheus. By default it listens on
// loopback, where they cannot reach it. No manifest publishes it.
func TestAdminPortIsReached(t *testing.T) {
	container := render(t).deployment.Spec.Template.Spec.Containers[0]
	var set string
	for _, variable := range container.Env {
		if variable.Name == "ADMIN_ADDR" {
			set = variable.Value
		}
	}
	kasse := compose(t).Services["kasse"]
	if inCompose := kasse.Environment["ADMIN_ADDR"]; set != ":9090" || inCompose == nil || *inCompose != ":9090" {
		t.Errorf("the manifests set %q, compose.yaml sets %v", set, inCompose)
	}
	for _, port := range kasse.Ports {
		if port.Target != 8080 {
			t.Errorf("compose.yaml publishes %d", port.Target)
		}
	}
	for _, port := range render(t).service.Spec.Ports {
		if port.TargetPort.String() != "http" {
			t.Errorf("the Service must not have the port %v", port.TargetPort)
		}
	}
}
