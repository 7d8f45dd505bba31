{{- define "kasse.name" -}}
{{- if contains "kasse" .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-kasse" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kasse.selector" -}}
app.kubernetes.io/name: kasse
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kasse.labels" -}}
{{ include "kasse.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "kasse.image" -}}
{{- with .Values.image -}}
{{- $repository := required "set image.repository to the image's name in your registry" .repository -}}
{{- if .digest -}}
{{- printf "%s@%s" $repository .digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (required "set image.tag or image.digest" .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Numbers are written without an exponent, because Kasse cannot read one. */}}
{{- define "kasse.settings" -}}
{{- $secrets := list "REDIS_URL" "STRIPE_SECRET_KEY" "STRIPE_WEBHOOK_SECRETS" "SERVICE_KEYS" "ORDER_TOKEN_SECRETS" "EVENT_ENDPOINTS" -}}
{{- $fixed := list "STRIPE_PUBLISHABLE_KEY" "LISTEN_ADDR" "ADMIN_ADDR" "GOMEMLIMIT" -}}
{{- range $name, $value := .Values.settings -}}
{{- if has $name $secrets -}}
{{- fail (printf "settings.%s would stand in a ConfigMap, but it is a secret: put it into the Secret, and name its entry in secret.files.%s" $name $name) -}}
{{- else if or (has $name $fixed) (hasSuffix "_FILE" $name) -}}
{{- fail (printf "settings.%s is set by the chart: remove it, and see the values secret and goMemoryLimit" $name) -}}
{{- end }}
{{ $name }}: {{ kindIs "float64" $value | ternary (int64 $value) $value | quote }}
{{- end -}}
{{- end -}}
