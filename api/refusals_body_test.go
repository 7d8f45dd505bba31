package api_test

import "strings"

func with(member string) string { return strings.TrimSuffix(order, "}") + "," + member + "}" }

// notJSON are bodies that no parser may take.
var notJSON = map[string]string{
	"half an object":      `{"order_id":"shop-2"`,
	"trailing data":       order + ` {}`,
	"trailing comma":      strings.TrimSuffix(order, "}") + ",}",
	"byte order mark":     "\ufeff" + order,
	"invalid UTF-8":       "{\"order_id\":\"shop\xff\"}",
	"lone surrogate":      `{"order_id":"\ud800"}`,
	"control character":   "{\"order_id\":\"a\nb\"}",
	"single quotes":       `{'order_id':'shop-2'}`,
	"comment":             `/* */ ` + order,
	"not a number":        `{"amount":NaN}`,
	"leading zero":        `{"amount":0100}`,
	"only white space":    ` `,
	"very deep":           strings.Repeat("[", 60000),
	"form":                `order_id=shop-2&amount=100`,
	"deep in the unknown": `{"x":{"y":[1,{"z":tru}]}}`,
}

// wrongValues are bodies of a create that are JSON, by what is wrong with them.
var wrongValues = []struct {
	body   string
	status int
	code   string
	where  []string
}{
	{``, 400, "invalid_request", []string{"/order_id", "/amount", "/currency"}},
	{`{}`, 400, "invalid_request", []string{"/order_id", "/amount", "/currency"}},
	{`null`, 400, "invalid_request", nil},
	{`[]`, 400, "invalid_request", nil},
	{`"shop-2"`, 400, "invalid_request", nil},
	{`{"order_id":null,"amount":1,"currency":"eur"}`, 400, "invalid_request", []string{"/order_id"}},
	{`{"Order_id":"shop-2","amount":1,"currency":"eur"}`, 400, "invalid_request", []string{"/Order_id", "/order_id"}},
	{
		`{"order_id":2,"amount":"1","currency":true}`, 400, "invalid_request",
		[]string{"/order_id", "/amount", "/currency"},
	},
	{`{"order_id":"shop-2","amount":1,"amount":2,"currency":"eur"}`, 400, "invalid_json", []string{"/amount"}},
	{with(`"x":1,"x":2`), 400, "invalid_json", []string{"/x"}},
	{
		with(`"x":1,"a/b":{"c":1},"customer_session":{"y":1}`), 400, "invalid_request",
		[]string{"/x", "/a~1b", "/customer_session/y"},
	},
	{
		`{"order_id":"shop-2","amount":9223372036854775808,"currency":"eur"}`, 400, "invalid_request",
		[]string{"/amount"},
	},
	{`{"order_id":"shop-2","amount":1e2,"currency":"eur"}`, 400, "invalid_request", []string{"/amount"}},
	{`{"order_id":"shop-2","amount":1.0,"currency":"eur"}`, 400, "invalid_request", []string{"/amount"}},
	{`{"order_id":"shop-2","amount":0,"currency":"eur"}`, 422, "amount_out_of_range", []string{"/amount"}},
	{`{"order_id":"shop-2","amount":-0,"currency":"eur"}`, 422, "amount_out_of_range", []string{"/amount"}},
	{`{"order_id":"}{","amount":1,"currency":"eur"}`, 400, "invalid_request", []string{"/order_id"}},
	{`{"order_id":"shop-2\u0000","amount":1,"currency":"eur"}`, 400, "invalid_request", []string{"/order_id"}},
	{with(`"customer":"cus_}{"`), 400, "invalid_request", []string{"/customer"}},
	{`{"order_id":"shop-2","amount":-5,"currency":"eur"}`, 422, "amount_out_of_range", []string{"/amount"}},
	{`{"order_id":"shop-2","amount":1000000000000,"currency":"eur"}`, 422, "amount_out_of_range", []string{"/amount"}},
	{`{"order_id":"shop-2","amount":1,"currency":"EUR"}`, 400, "invalid_request", []string{"/currency"}},
	{`{"order_id":"shop-2","amount":1,"currency":""}`, 400, "invalid_request", []string{"/currency"}},
	{`{"order_id":"shop-2","amount":1,"currency":"xxx"}`, 422, "unsupported_currency", []string{"/currency"}},
	{`{"order_id":"","amount":1,"currency":"eur"}`, 400, "invalid_request", []string{"/order_id"}},
	{`{"order_id":"../2","amount":1,"currency":"eur"}`, 400, "invalid_request", []string{"/order_id"}},
	{`{"order_id":"shop-2\n","amount":1,"currency":"eur"}`, 400, "invalid_request", []string{"/order_id"}},
	{
		`{"order_id":"` + strings.Repeat("a", 65) + `","amount":1,"currency":"eur"}`, 400, "invalid_request",
		[]string{"/order_id"},
	},
	{
		with(`"customer":"","capture_method":"","setup_future_usage":"","receipt_email":""`), 400, "invalid_request",
		[]string{"/customer", "/capture_method", "/setup_future_usage", "/receipt_email"},
	},
	{
		with(
			`"customer":"cu_1","capture_method":"later","setup_future_usage":"always","receipt_email":"ada"`,
		), 400, "invalid_request",
		[]string{"/customer", "/capture_method", "/setup_future_usage", "/receipt_email"},
	},
	{with(`"description":"` + strings.Repeat("ä", 1001) + `"`), 400, "invalid_request", []string{"/description"}},
	{with(`"statement_descriptor_suffix":"<SHOP>"`), 400, "invalid_request", []string{"/statement_descriptor_suffix"}},
	{with(`"x":null,"customer_session":{"y":null}`), 400, "invalid_request", []string{"/x", "/customer_session/y"}},
	{with(`"metadata":{"a":null}`), 400, "invalid_request", []string{"/metadata/a"}},
	{with(`"metadata":[]`), 400, "invalid_request", []string{"/metadata"}},
	{with(`"metadata":{"a":1,"b":{}}`), 400, "invalid_request", []string{"/metadata/a", "/metadata/b"}},
	{with(`"metadata":{"kasse_service":"other"}`), 400, "invalid_request", []string{"/metadata/kasse_service"}},
	{with(`"metadata":{"a":"` + strings.Repeat("b", 501) + `"}`), 400, "invalid_request", []string{"/metadata/a"}},
	{with(`"metadata":{"` + strings.Repeat("k", 41) + `":"b"}`), 400, "invalid_request", []string{"/metadata"}},
	{with(`"customer_session":[],"reopen":"yes"`), 400, "invalid_request", []string{"/customer_session", "/reopen"}},
	{
		with(
			`"customer_session":{"redisplay":1,"redisplay_limit":"3","allow_redisplay_filters":"always","save":0}`,
		), 400, "invalid_request",
		[]string{
			"/customer_session/redisplay", "/customer_session/redisplay_limit",
			"/customer_session/allow_redisplay_filters", "/customer_session/save",
		},
	},
	{
		with(`"customer_session":{"allow_redisplay_filters":["always",null,1]}`), 400, "invalid_request",
		[]string{"/customer_session/allow_redisplay_filters/1", "/customer_session/allow_redisplay_filters/2"},
	},
	{
		with(
			`"customer_session":{"allow_redisplay_filters":["never"],"redisplay_limit":11,"save":true,` +
				`"save_usage":"x"}`,
		), 400, "invalid_request",
		[]string{
			"/customer_session/allow_redisplay_filters/0", "/customer_session/redisplay_limit",
			"/customer_session/save_usage",
		},
	},
	{with(`"customer_session":{"surface":"watch"}`), 400, "invalid_request", []string{"/customer_session/surface"}},
	{
		with(
			`"customer_session":{"surface":"mobile","redisplay_limit":3,"save":true,"save_usage":"on_session"}`,
		), 400, "invalid_request",
		[]string{"/customer_session/redisplay_limit", "/customer_session/save_usage"},
	},
	{
		with(`"customer_session":{"surface":"mobile","save_allow_redisplay":"never"}`), 400, "invalid_request",
		[]string{"/customer_session/save_allow_redisplay"},
	},
	{
		with(`"customer_session":{"save_allow_redisplay":"always"}`), 400, "invalid_request",
		[]string{"/customer_session/save_allow_redisplay"},
	},
	{with(`"customer_session":{"save":true}`), 400, "invalid_request", []string{"/customer_session/save_usage"}},
	{
		with(`"customer":"cus_1","customer_session":{"save":true,"save_usage":null,"surface":"web"}`), 400,
		"invalid_request",
		[]string{"/customer_session/save_usage"},
	},
	{
		with(`"customer_session":{"save":false,"save_usage":"on_session"}`), 400, "invalid_request",
		[]string{"/customer_session/save_usage"},
	},
	{
		with(`"customer_session":{"save_usage":"on_session"}`), 400, "invalid_request",
		[]string{"/customer_session/save_usage"},
	},
	{with(`"customer_session":{"surface":""}`), 400, "invalid_request", []string{"/customer_session/surface"}},
}

func bodyRefusals() []refused {
	var all []refused
	for name, body := range notJSON {
		all = append(all,
			refused{name: name, line: createLine, token: fullKey, body: body, status: 400, code: "invalid_json"},
			refused{
				name: name + " session", line: sessionLine, token: fullKey, body: body, status: 400,
				code: "invalid_json",
			})
	}
	for _, v := range wrongValues {
		all = append(all, refused{
			name: "value " + v.body[:min(len(v.body), 60)], line: createLine, token: fullKey, body: v.body,
			status: v.status, code: v.code, where: v.where,
		})
	}
	huge := `{"order_id":"` + strings.Repeat("a", 64<<10) + `"}`
	return append(all,
		refused{name: "huge", line: createLine, token: fullKey, body: huge, status: 413, code: "body_too_large"},
		refused{
			name: "huge session", line: sessionLine, token: fullKey, body: huge, status: 413,
			code: "body_too_large",
		},
		refused{
			name: "huge webhook", line: "POST /webhooks/stripe", body: strings.Repeat(" ", 256<<10+1),
			header: signed(""), status: 413, code: "body_too_large",
		},
		refused{
			name: "session value", line: sessionLine, token: fullKey,
			body: `{"customer_session":{"save_usage":"off_session"},"amount":1}`, status: 400,
			code: "invalid_request", where: []string{"/amount"},
		},
		refused{
			name: "session save", line: sessionLine, token: fullKey, body: `{"customer_session":{"save":true}}`,
			status: 400, code: "invalid_request", where: []string{"/customer_session/save_usage"},
		},
		refused{
			name: "session save_usage", line: sessionLine, token: fullKey,
			body: `{"customer_session":{"save_usage":"on_session"}}`, status: 400, code: "invalid_request",
			where: []string{"/customer_session/save_usage"},
		},
		refused{
			name: "mint save", line: mintLine, token: fullKey, body: with(`"customer_session":{"save":true}`),
			status: 400, code: "invalid_request", where: []string{"/customer_session/save_usage"},
		},
		refused{
			name: "mint save_usage", line: mintLine, token: fullKey,
			body: with(`"customer_session":{"save_usage":"on_session"}`), status: 400, code: "invalid_request",
			where: []string{"/customer_session/save_usage"},
		},
		refused{
			name: "session limit", line: sessionLine, token: fullKey,
			body: `{"customer_session":{"redisplay_limit":0}}`, status: 400, code: "invalid_request",
			where: []string{"/customer_session/redisplay_limit"},
		},
	)
}
