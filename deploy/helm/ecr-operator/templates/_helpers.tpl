{{- define "ecr-operator.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains "ecr-operator" .Release.Name }}{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else }}{{ printf "%s-ecr-operator" .Release.Name | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "ecr-operator.selector" -}}
app.kubernetes.io/name: ecr-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ecr-operator.labels" -}}
{{ include "ecr-operator.selector" . }}
app.kubernetes.io/part-of: ecr-operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "ecr-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.name }}{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create }}{{ include "ecr-operator.fullname" . }}
{{- else }}default
{{- end }}
{{- end }}

{{/* Not by the release's name: a ClusterRole has no namespace to tell two of them apart. */}}
{{- define "ecr-operator.clusterRole" -}}
{{ include "ecr-operator.fullname" . }}{{ with .Values.watchNamespace }}-{{ . }}{{ end }}
{{- end }}

{{- define "ecr-operator.leaseNamespace" -}}
{{ .Values.operator.leaseNamespace | default .Release.Namespace }}
{{- end }}

{{/* As the program calls it: a lease for each namespace that is watched alone. */}}
{{- define "ecr-operator.lease" -}}
ecr-operator{{ with .Values.watchNamespace }}-{{ . }}{{ end }}
{{- end }}

{{/* What the program would refuse when it begins, and no schema can say. */}}
{{- define "ecr-operator.leaseTimes" -}}
{{- $duration := int (.Values.operator.leaseDurationSeconds | default 15) }}
{{- $deadline := int (.Values.operator.leaseRenewDeadlineSeconds | default 10) }}
{{- $retry := int (.Values.operator.leaseRetrySeconds | default 2) }}
{{- if or (ge (mul 2 $retry) $deadline) (ge $deadline $duration) }}
{{- fail (printf "set operator.leaseRetrySeconds to less than half of operator.leaseRenewDeadlineSeconds, and that to less than operator.leaseDurationSeconds: they are %d, %d and %d" $retry $deadline $duration) }}
{{- end }}
{{- end }}

{{- define "ecr-operator.subject" -}}
kind: ServiceAccount
name: {{ include "ecr-operator.serviceAccount" . }}
namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "ecr-operator.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ecr-operator.adminPort" -}}
{{ regexFind "[0-9]+$" .Values.operator.adminAddr }}
{{- end }}

{{/* Every value of `operator` that is set, as its flag. */}}
{{- define "ecr-operator.args" -}}
- run
{{- range $key, $value := .Values.operator }}
{{- $flag := printf "--%s" (kebabcase $key) }}
{{- if kindIs "bool" $value }}
- {{ $value | ternary $flag (printf "%s=false" $flag) }}
{{- else if kindIs "slice" $value }}
{{- if $value }}
- {{ printf "%s=%s" $flag (join "," $value) | quote }}
{{- end }}
{{- else if kindIs "float64" $value }}
- {{ printf "%s=%d" $flag (int64 $value) }}
{{- else if not (kindIs "invalid" $value) }}
- {{ printf "%s=%v" $flag $value | quote }}
{{- end }}
{{- end }}
{{- with .Values.watchNamespace }}
- --watch-namespace={{ . }}
{{- end }}
{{- end }}

{{/* patch sets and removes the finalizer; spec is never written. */}}
{{- define "ecr-operator.objectRules" -}}
- apiGroups: [ecr-operator.dev]
  resources: [ecrrepositories]
  verbs: [get, list, watch, patch]
- apiGroups: [ecr-operator.dev]
  resources: [ecrrepositories/status]
  verbs: [patch]
{{- end }}
