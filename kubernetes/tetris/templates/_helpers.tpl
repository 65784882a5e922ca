{{/* Labels of every object; a dict of root and component. */}}
{{- define "tetris.labels" -}}
app.kubernetes.io/name: tetris
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* What selects the pods of a component. */}}
{{- define "tetris.selector" -}}
app.kubernetes.io/name: tetris
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "tetris.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "tetris.actionImage" -}}
{{ .Values.actionImage.repository }}:{{ .Values.actionImage.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What every pod of ours has in common. */}}
{{- define "tetris.podSpec" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
serviceAccountName: {{ .root.Release.Name }}-{{ .component }}
enableServiceLinks: false
{{- end }}

{{- define "tetris.onNodes" -}}
nodeSelector:
  {{- toYaml .Values.nodes.selector | nindent 2 }}
{{- with .Values.nodes.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A container of ours; which program it runs. */}}
{{- define "tetris.container" -}}
image: {{ include "tetris.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [node, /opt/tetris/node_modules/@tetris/{{ .program }}/dist/main.js]
{{- end }}

{{- define "tetris.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Keys of a component in their own spelling as environment; a dict of component and config. */}}
{{- define "tetris.config" -}}
{{- $component := .component }}
{{- range $key, $value := .config }}
- name: TETRIS_{{ $component | upper }}_{{ $key | snakecase | upper }}
  value: {{ if kindIs "slice" $value }}{{ join "," $value | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end }}

{{/* Brokers, database and registry; a dict of root and component. Kubernetes puts $(NAME) in. */}}
{{- define "tetris.servers" -}}
{{- $values := .root.Values }}
{{- $host := printf "%s-%%s.%s.svc.cluster.local" $values.openwhisk.release .root.Release.Namespace }}
{{- $prefix := printf "TETRIS_%s" (upper .component) }}
- name: {{ $prefix }}_KAFKA_BROKERS
  value: {{ $values.servers.kafkaBrokers | default (list (printf "%s:9092" (printf $host "kafka"))) | join "," | quote }}
- name: {{ $prefix }}_COUCH_PREFIX
  value: {{ $values.openwhisk.couchPrefix | quote }}
{{- if $values.servers.secret }}
- name: {{ $prefix }}_COUCH_URL
  valueFrom:
    secretKeyRef:
      name: {{ $values.servers.secret }}
      key: couchUrl
- name: {{ $prefix }}_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $values.servers.secret }}
      key: redisUrl
{{- else }}
- name: DB_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ $values.openwhisk.release }}-db.auth
      key: db_username
- name: DB_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $values.openwhisk.release }}-db.auth
      key: db_password
- name: {{ $prefix }}_COUCH_URL
  value: http://$(DB_USERNAME):$(DB_PASSWORD)@{{ printf $host "couchdb" }}:5984
- name: {{ $prefix }}_REDIS_URL
  value: redis://{{ printf $host "redis" }}:6379
{{- end }}
{{- end }}

{{- define "tetris.hasAdmissionPolicy" -}}
{{- if and .Values.admissionPolicy.enabled (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) }}true{{ end }}
{{- end }}

{{/* The store and the folders of the sockets, for those who write there. */}}
{{- define "tetris.daemonMounts" -}}
{{- if .Values.store.mount }}
- name: store-parent
  mountPath: {{ dir .Values.store.path }}
  mountPropagation: HostToContainer
{{- else }}
- name: store
  mountPath: {{ .Values.store.path }}
{{- end }}
- name: instance
  mountPath: {{ .Values.store.runPath }}/instance
- name: operator
  mountPath: {{ .Values.store.runPath }}/operator
{{- end }}

{{/* What action pods of the invoker extension have in addition, as JSON: they run on the same nodes and come from the same registry. */}}
{{- define "tetris.extraSpec" -}}
{{- $secrets := list }}
{{- range .Values.image.pullSecrets }}{{ $secrets = append $secrets (dict "name" .) }}{{ end }}
{{- dict "tolerations" .Values.nodes.tolerations "imagePullSecrets" $secrets | toJson }}
{{- end }}
