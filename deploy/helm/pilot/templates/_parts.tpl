{{/* Names and labels. `dict "root" $ "component" "api"` is what most of these are given. */}}
{{- define "pilot.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "pilot.selector" -}}
app.kubernetes.io/name: pilot
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "pilot.labels" -}}
{{ include "pilot.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* The environment of all three programs. Written out, not a ConfigMap: a change rolls the pods,
and the migration, which comes before all else, has it too. */}}
{{- define "pilot.environment" -}}
- {name: PILOT_ENV, value: production}
- {name: TEMPORAL_ADDRESS, value: {{ .Values.temporal.address | quote }}}
- {name: TEMPORAL_NAMESPACE, value: {{ .Values.temporal.namespace | quote }}}
- {name: TEMPORAL_TASK_QUEUE, value: {{ .Values.temporal.taskQueue | quote }}}
{{- with .Values.temporal.uiUrl }}
- {name: TEMPORAL_UI_URL, value: {{ . | quote }}}
{{- end }}
{{- with .Values.temporal.tls }}
{{- if .clientSecret }}
- {name: TEMPORAL_TLS_CERT, value: /etc/pilot/temporal/tls.crt}
- {name: TEMPORAL_TLS_KEY, value: /etc/pilot/temporal/tls.key}
{{- if .hasAuthority }}
- {name: TEMPORAL_TLS_CA, value: /etc/pilot/temporal/ca.crt}
{{- end }}
{{- end }}
{{- with .serverName }}
- {name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- with include "pilot.taskQueues" . }}
- {name: PILOT_TASK_QUEUES, value: {{ . | quote }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{/* Where the pools' node types go: `code=pilot-heavy,llm=pilot-heavy`. */}}
{{- define "pilot.taskQueues" -}}
{{- if and .Values.worker.pools (or .Values.settings.PILOT_TASK_QUEUES .Values.settings.PILOT_WORKER_QUEUES) }}
{{- fail "worker.pools says what PILOT_TASK_QUEUES and PILOT_WORKER_QUEUES of settings would: give one of both" }}
{{- end }}
{{- $routed := list }}
{{- $seen := list }}
{{- range $name, $pool := .Values.worker.pools }}
{{- range $pool.types }}
{{- if has . $seen }}
{{- fail (printf "worker.pools: %s nodes are given two pools" .) }}
{{- end }}
{{- $seen = append $seen . }}
{{- $routed = append $routed (printf "%s=%s-%s" . $.Values.temporal.taskQueue $name) }}
{{- end }}
{{- end }}
{{- join "," $routed }}
{{- end }}

{{/* What every pod has: no root, no privilege, nothing to write but /tmp. */}}
{{- define "pilot.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 1Gi}
{{- with .Values.temporal.tls.clientSecret }}
  - name: temporal-tls
    secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "pilot.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
envFrom:
  - secretRef: {name: {{ .Values.existingSecret }}}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- if .Values.temporal.tls.clientSecret }}
  - {name: temporal-tls, mountPath: /etc/pilot/temporal, readOnly: true}
{{- end }}
{{- end }}

{{- define "pilot.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "pilot.selector" . | nindent 8 }}
{{- end }}
