package service_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"kasse/service"
	"kasse/service/payment"
)

const hidden = "hunter2-hunter2-hunter2"

// holder has a secret in each kind of member.
type holder struct {
	Secret  payment.Secret
	Pointer *payment.Secret
	List    []payment.Secret
	Named   map[string]payment.Secret
	Any     any
	Caller  service.Caller
}

func newHolder() holder {
	secret := payment.Secret(hidden)
	return holder{
		secret, &secret,
		[]payment.Secret{secret},
		map[string]payment.Secret{"a": secret},
		secret,
		service.Caller{Secret: secret},
	}
}

// TestSecretShowsNothing: a secret is hidden by every way of formatting it.
func TestSecretShowsNothing(t *testing.T) {
	all := newHolder()
	printed := map[string]string{"concatenated": all.Secret.String() + all.Secret.GoString()}
	for _, verb := range "bcdeEfFgGoOqstTUvxX!z" {
		for _, flags := range []string{"", "+", "#", " ", "0", "-", "30", ".5", "+#030."} {
			format := "%" + flags + string(verb)
			for _, value := range []any{
				all, &all, all.Secret, all.Pointer, all.List, all.Named, all.Any, []any{all.Secret},
			} {
				printed[format+fmt.Sprintf(" of %T", value)] = fmt.Sprintf(format, value)
			}
		}
	}
	printed["print"] = fmt.Sprint(all, all.Secret) + fmt.Sprintln(all.Secret)
	printed["too many arguments"] = fmt.Sprintf("%s", append([]any{"a"}, all.Secret, all)...)
	printed["an error"] = fmt.Errorf("no %s: %w", all.Secret, errors.Join(fmt.Errorf("%v %d", all, all.Secret))).Error()
	printed["a panic"] = panicked(all.Secret)
	for name, encode := range map[string]func(any) ([]byte, error){
		"JSON": json.Marshal, "XML": xml.Marshal,
		"a template": func(value any) ([]byte, error) {
			var out bytes.Buffer
			err := template.Must(template.New("").Parse(`{{.}} {{printf "%d %s" . .}}`)).Execute(&out, value)
			return out.Bytes(), err
		},
	} {
		for _, value := range []any{all.Secret, all.Pointer, all.List} {
			text, err := encode(value)
			if err != nil {
				t.Fatal(err)
			}
			printed[name+fmt.Sprintf(" of %T", value)] = string(text)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	printed["JSON of all"] = string(text)
	for name, text := range printed {
		checkHidden(t, name, text)
	}
	secret := all.Secret
	got := fmt.Sprintf("%s %v %d %q %x %#v %+v", secret, secret, secret, secret, secret, secret, all.Pointer)
	if got != strings.TrimSpace(strings.Repeat("*** ", 7)) {
		t.Errorf("the secret is printed as %s", got)
	}
	if all.Secret.Reveal() != hidden || string(all.Secret) != hidden {
		t.Error("Reveal does not return the secret")
	}
}

func panicked(value any) (text string) {
	defer func() { text = fmt.Sprintf("panic: %v", recover()) }()
	panic(value)
}

// TestLogsShowNoSecret: each of Kasse's log handlers hides a secret.
func TestLogsShowNoSecret(t *testing.T) {
	all := newHolder()
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		logger := slog.New(handler)
		logger.Info(
			"text", "secret", all.Secret, "pointer", all.Pointer, "list", all.List, "named", all.Named, "all", all,
			"error", fmt.Errorf("no %s", all.Secret),
		)
		logger.With("secret", all.Secret).WithGroup("a").Info(
			"text", slog.Group("b", "secret", all.Secret), slog.Any("all", &all),
		)
	}
	log.New(&out, "", 0).Print(all, all.Secret)
	checkHidden(t, "the log", out.String())
	if !strings.Contains(out.String(), `"secret":"***"`) {
		t.Errorf("the log is %s", out.String())
	}
}

// checkHidden fails the test if the text has the secret in any form.
func checkHidden(t *testing.T, name, text string) {
	t.Helper()
	for _, form := range []string{
		hidden, "hunter2", "hunte",
		hex.EncodeToString([]byte("hunter2")), strings.ToUpper(hex.EncodeToString([]byte("hunter2"))),
		base64.StdEncoding.EncodeToString([]byte(hidden)), "104 117", "68 75", "0x68",
	} {
		if strings.Contains(text, form) {
			t.Errorf("%s shows the secret: %s", name, text)
		}
	}
}
