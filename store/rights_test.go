package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// asUser creates a user with the rights, and returns the server's URL for that user.
func asUser(t *testing.T, server, name, rights string) string {
	t.Helper()
	client := connect(t, server)
	words := []any{"ACL", "SETUSER", name, "reset", "on", ">secret"}
	for word := range strings.FieldsSeq(rights) {
		words = append(words, word)
	}
	if err := client.Do(t.Context(), words...).Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(server, "redis://", "redis://"+name+":secret@", 1)
}

// TestMissingRights: MissingRights names each right that the user lacks, and writes nothing.
func TestMissingRights(t *testing.T) {
	server := storetest.RedisServer(t)
	all := store.ACLRule()
	tests := map[string]struct {
		rights string
		want   []string
	}{
		"exactly the rule":  {all, nil},
		"all commands":      {"~kasse:* &kasse:* +@all", nil},
		"without a command": {all + " -xautoclaim -xadd", []string{"the command xadd"}},
		"without scripts":   {all + " -evalsha", []string{"the command evalsha"}},
		"without MULTI":     {all + " -multi", []string{"the command multi, which this check needs"}},
		"without channels": {
			strings.Replace(all, "&kasse:*", "", 1),
			[]string{"publishing on the channels kasse:{p*}:changed", "subscribing to the channels kasse:{p*}:changed"},
		},
		"without some keys": {
			strings.Replace(all, "~kasse:*", "~kasse:*:events ~kasse:*:order:* %R~kasse:*", 1),
			[]string{"the keys kasse:{p0}:pi:pi_check"},
		},
		"without subscribe": {all + " -subscribe", []string{"the command subscribe"}},
	}
	client := connect(t, server)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			url := asUser(t, server, "kasse-"+strings.ReplaceAll(name, " ", "-"), test.rights)
			missing, err := store.MissingRights(t.Context(), "single", url, 16)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !slices.Contains(missing, store.MissingRight{Right: want}) {
					t.Errorf("%q is not in %q", want, missing)
				}
			}
			if len(test.want) == 0 && len(missing) > 0 {
				t.Errorf("missing %q", missing)
			}
			if count := client.DBSize(t.Context()).Val(); count != 0 {
				t.Errorf("the check wrote %d keys", count)
			}
		})
	}
}

// TestMissingRightsOfOneServer: in a cluster and behind sentinels, each server has its own ACL. MissingRights names the
// server that refuses, even if it is a replica, since that may become the master.
func TestMissingRightsOfOneServer(t *testing.T) {
	type node struct {
		server *storetest.Server
		name   string // in the report
	}
	check := func(t *testing.T, mode, url string, refusing []node, all []*storetest.Server) {
		t.Helper()
		for _, server := range all {
			asUser(t, server.URL(), "kasse", store.ACLRule())
		}
		finds := func(want ...store.MissingRight) {
			t.Helper()
			// The servers of a cluster discover its replicas one after the other.
			wait.UntilTrue(t, fmt.Sprintf("only %q to be found", want), func() bool {
				missing, err := store.MissingRights(t.Context(), mode, url, 16)
				return err == nil && slices.Equal(missing, want)
			})
		}
		finds()
		for _, n := range refusing {
			asUser(t, n.server.URL(), "kasse", store.ACLRule()+" -xadd")
			finds(store.MissingRight{Server: n.name, Right: "the command xadd"})
			asUser(t, n.server.URL(), "kasse", store.ACLRule())
		}
		last := refusing[len(refusing)-1]
		if err := connect(t, last.server.URL()).Do(t.Context(), "ACL", "DELUSER", "kasse").Err(); err != nil {
			t.Fatal(err)
		}
		finds(store.MissingRight{
			Server: last.name, Right: "anything (the user does not exist there, or has another password)",
		})
	}
	t.Run("cluster", func(t *testing.T) {
		cluster := storetest.NewCluster(t, 3, 1)
		nodes := cluster.Nodes()
		check(t, "cluster", strings.Replace(cluster.URL(), "redis://", "redis://kasse:secret@", 1),
			[]node{{nodes[3], nodes[3].Addr()}, {nodes[1], nodes[1].Addr()}}, nodes)
	})
	t.Run("sentinel", func(t *testing.T) {
		sentinels := storetest.NewSentinels(t)
		nodes := sentinels.Nodes()
		check(t, "sentinel", sentinels.URL()+"&username=kasse&password=secret",
			[]node{{nodes[0], "the master"}, {nodes[2], "the replica " + nodes[2].Addr()}}, nodes)
	})
}

// TestRightsAreComplete: the rule allows every command that scripts call.
func TestRightsAreComplete(t *testing.T) {
	rule := strings.Fields(store.ACLRule())
	files, err := filepath.Glob("scripts/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("got the scripts %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`).FindAllStringSubmatch(string(text), -1) {
			name := strings.ToLower(call[1])
			allows := func(right string) bool { return right == "+"+name || strings.HasPrefix(right, "+"+name+"|") }
			if !slices.ContainsFunc(rule, allows) {
				t.Errorf("%s calls %s, which the rule does not allow", file, name)
			}
		}
	}
}

// TestDocumentedRights: docs/redis-acl.md has the rule.
func TestDocumentedRights(t *testing.T) {
	page, err := os.ReadFile("../docs/redis-acl.md")
	if err != nil {
		t.Fatal(err)
	}
	if line := "ACL SETUSER kasse on >PASSWORD " + store.ACLRule() + "\n"; !strings.Contains(string(page), line) {
		t.Errorf("docs/redis-acl.md lacks the line\n%s", line)
	}
}
