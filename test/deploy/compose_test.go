package deploy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose reads compose.yaml as Compose does, without .env.
func compose(t *testing.T) *types.Project {
	t.Helper()
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  t.TempDir(),
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: read(t, "compose.yaml")}},
		Environment: types.Mapping{"STRIPE_SECRET_KEY": "sk_test_1", "REDIS_PASSWORD": "hunter2"},
	}, func(o *loader.Options) { o.Profiles, o.SkipResolveEnvironment = []string{"stripe"}, true })
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// TestComposeNeedsAPassword: Redis is not started without a password, since a client of Redis could mark
// orders as paid.
func TestComposeNeedsAPassword(t *testing.T) {
	_, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: t.TempDir(), ConfigFiles: []types.ConfigFile{
			{Filename: "compose.yaml", Content: read(t, "compose.yaml")},
		},
	}, func(o *loader.Options) { o.SkipResolveEnvironment = true })
	if err == nil || !strings.Contains(err.Error(), "REDIS_PASSWORD") {
		t.Errorf("compose.yaml loads without a password: %v", err)
	}
}

// pinned matches an image tag with at least a minor version.
var pinned = regexp.MustCompile(`^[a-z./-]+:v?\d+\.\d+[\w.-]*$`)

func TestCompose(t *testing.T) {
	project := compose(t)
	redis := strings.Join(project.Services["redis"].Command, " ")
	for _, setting := range []string{
		"--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction", "--requirepass hunter2",
	} {
		if !strings.Contains(redis, setting) {
			t.Errorf("redis is not started with %s", setting)
		}
	}
	kasse := project.Services["kasse"]
	if !kasse.ReadOnly || !slices.Equal(kasse.CapDrop, []string{"ALL"}) || len(kasse.Ports) != 1 ||
		kasse.Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("kasse must be read-only, without capabilities, with one port on loopback: %+v", kasse)
	}
	if url := kasse.Environment["REDIS_URL"]; url == nil || *url != "redis://:hunter2@redis:6379/0" {
		t.Errorf("kasse does not use Redis's password: %v", url)
	}
	if auth := project.Services["redis"].Environment["REDISCLI_AUTH"]; auth == nil || *auth != "hunter2" {
		t.Error("the health check has no password")
	}
	for name, service := range project.Services {
		if service.Build == nil && !pinned.MatchString(service.Image) {
			t.Errorf("the image of %s has no exact version: %s", name, service.Image)
		}
	}
	stripe := project.Services["stripe"]
	if !slices.Equal(stripe.Profiles, []string{"stripe"}) ||
		!slices.Contains(stripe.Command, "http://kasse:8080/webhooks/stripe") {
		t.Errorf("the Stripe CLI must have a profile and forward to kasse: %+v", stripe)
	}
}
