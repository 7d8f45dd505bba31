package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

const unitFile = "deploy/systemd/kasse.service"

// unit returns all values of each setting of the unit.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	settings := map[string][]string{}
	for line := range strings.Lines(string(read(t, unitFile))) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.HasPrefix(name, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	return settings
}

// TestUnitSecrets: each secret that the manifests mount is a credential of the unit, and a variable names its
// file. kasse.env has no secret.
func TestUnitSecrets(t *testing.T) {
	u := unit(t)
	files := map[string]string{}
	for _, variable := range u["Environment"] {
		name, value, _ := strings.Cut(variable, "=")
		if file, secret := strings.CutPrefix(value, "%d/"); secret {
			files[file] = name
		}
	}
	var inCluster []string
	for _, variable := range render(t).deployment.Spec.Template.Spec.Containers[0].Env {
		if strings.HasSuffix(variable.Name, "_FILE") {
			inCluster = append(inCluster, variable.Name)
			if file := filepath.Base(variable.Value); files[file] != variable.Name {
				t.Errorf("the manifests read %s from %s, the unit from %v", variable.Name, file, files)
			}
		}
	}
	if len(u["LoadCredential"]) != len(inCluster) || len(files) != len(inCluster) {
		t.Errorf("the unit loads %v for %v, want %v", u["LoadCredential"], files, inCluster)
	}
	for _, credential := range u["LoadCredential"] {
		name, path, _ := strings.Cut(credential, ":")
		if files[name] == "" || path != "/etc/kasse/secrets/"+name {
			t.Errorf("the credential %s is loaded from %s and read as %q", name, path, files[name])
		}
	}
	if extra := string(read(t, "deploy/systemd/README.md")); !strings.Contains(extra, "EVENT_ENDPOINTS_FILE=%d/") {
		t.Error("the README does not explain EVENT_ENDPOINTS_FILE")
	}
	for _, secret := range fileVariables(t) {
		if regexp.MustCompile(`(?m)^` + secret + `=`).Match(read(t, "deploy/systemd/kasse.env")) {
			t.Errorf("kasse.env holds %s", secret)
		}
	}
}

// TestUnitIsHardened: the unit has every restriction. The test needs no systemd.
func TestUnitIsHardened(t *testing.T) {
	u := unit(t)
	for name, want := range map[string]string{
		"DynamicUser": "yes", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "AmbientCapabilities": "",
		"ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
		"PrivateUsers": "yes", "ProtectKernelTunables": "yes", "ProtectKernelModules": "yes",
		"ProtectKernelLogs": "yes", "ProtectClock": "yes", "ProtectControlGroups": "yes", "ProtectHostname": "yes",
		"ProtectProc": "invisible", "RestrictNamespaces": "yes", "RestrictRealtime": "yes", "RestrictSUIDSGID": "yes",
		"LockPersonality": "yes", "MemoryDenyWriteExecute": "yes",
		"RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "SystemCallArchitectures": "native", "UMask": "0077",
		"SystemCallFilter": "@system-service, ~@privileged @resources",
	} {
		if got := strings.Join(u[name], ", "); got != want || len(u[name]) == 0 {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestUnitLimits: systemd waits longer than the server needs to stop, and Go's memory limit is below
// systemd's.
func TestUnitLimits(t *testing.T) {
	u := unit(t)
	stop, err := time.ParseDuration(u["TimeoutStopSec"][0])
	if err != nil || stop <= 25*time.Second { // the default of SHUTDOWN_TIMEOUT
		t.Errorf("systemd kills after %s (%v)", stop, err)
	}
	hard := resource.MustParse(u["MemoryMax"][0] + "i")
	at := slices.IndexFunc(u["Environment"], func(v string) bool { return strings.HasPrefix(v, "GOMEMLIMIT=") })
	soft := resource.MustParse(strings.TrimSuffix(strings.TrimPrefix(u["Environment"][at], "GOMEMLIMIT="), "B"))
	if soft.Cmp(hard) >= 0 {
		t.Errorf("GOMEMLIMIT is %s, MemoryMax %s", soft.String(), hard.String())
	}
}

// TestUnitBySystemd lets systemd itself verify each line and rate the service's exposure.
func TestUnitBySystemd(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("NOT CHECKED: systemd-analyze is missing; Debian has it in the package systemd")
	}
	// systemd-analyze verify requires that the program exists.
	text := regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAll(read(t, unitFile), []byte("ExecStart=/bin/true"))
	verify := func(text []byte) (string, error) {
		file := filepath.Join(t.TempDir(), "kasse.service")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		printed, err := exec.CommandContext(
			t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput()
		return string(printed), err
	}
	if printed, err := verify(text); err != nil || strings.Contains(printed, "kasse.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, printed)
	}
	misspelt := strings.Replace(string(text), "ProtectHome=", "ProtectHouse=", 1)
	if printed, err := verify([]byte(misspelt)); err == nil {
		t.Errorf("a misspelt line is not found: %s", printed)
	}
	const most = "20" // in tenths: 2.0 of 10, "OK"
	printed, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager",
		"--threshold="+most, filepath.Join(root, unitFile)).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, printed)
	}
}
