{{/* The pod template of both workloads. */}}
{{- define "millrace.pod" -}}
metadata:
  labels:
    {{- toYaml (merge (include "millrace.labels" . | fromYaml) .Values.podLabels) | nindent 4 }}
  annotations:
    {{- if not (or .Values.topology.existingConfigMap .Values.existingConfigMap.name) }}
    checksum/config: {{ include "millrace.configText" . | sha256sum }}
    {{- end }}
    kubectl.kubernetes.io/default-container: millrace
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "millrace.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and .Values.gpu.enabled .Values.gpu.runtimeClassName }}
  runtimeClassName: {{ .Values.gpu.runtimeClassName }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- include "millrace.scheduling" . | trim | nindent 2 }}
  {{- $initContainers := include "millrace.initContainers" . | trim }}
  {{- with $initContainers }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    {{- include "millrace.container" . | nindent 4 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "millrace.volumes" . | nindent 4 }}
{{- end -}}

{{- define "millrace.scheduling" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (concat .Values.tolerations (ternary .Values.gpu.tolerations list .Values.gpu.enabled)) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  {{- if .Values.affinity }}
  {{- toYaml .Values.affinity | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "millrace.selectorLabels" . | nindent 14 }}
  {{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- $standard := dict "labelSelector" (dict "matchLabels" (include "millrace.selectorLabels" $ | fromYaml)) }}
  {{- range . }}
  - {{- toYaml (merge (deepCopy .) $standard) | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "millrace.container" -}}
- name: millrace
  image: {{ include "millrace.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - run
    - /etc/millrace/{{ include "millrace.pipelineFile" . }}
    {{- with include "millrace.application" . }}
    - --application={{ . }}
    {{- end }}
    - --state=/var/lib/millrace/state
    - --host=0.0.0.0
    - --port={{ int .Values.port }}
    - --metrics={{ .Values.metrics.level }}
    {{- range $name, $value := .Values.settings }}
    - {{ printf "--set=%s=%s" $name (include "millrace.scalar" $value) | quote }}
    {{- end }}
    {{- if .Values.verbose }}
    - --verbose
    {{- end }}
  env:
    {{- include "millrace.env" . | trim | nindent 4 }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: http
      containerPort: {{ int .Values.port }}
      protocol: TCP
  startupProbe:
    httpGet: {path: /startupz, port: http}
    {{- toYaml .Values.startupProbe | nindent 4 }}
  livenessProbe:
    httpGet: {path: /livez, port: http}
    {{- toYaml .Values.livenessProbe | nindent 4 }}
  readinessProbe:
    httpGet: {path: /readyz, port: http}
    {{- toYaml .Values.readinessProbe | nindent 4 }}
  resources:
    {{- include "millrace.resources" . | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    {{- include "millrace.volumeMounts" . | nindent 4 }}
{{- end -}}

{{- define "millrace.env" -}}
{{- with .Values.kafka.brokers }}
- name: KAFKA_BROKERS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.qdrant.url }}
- name: QDRANT_URL
  value: {{ . | quote }}
{{- end }}
- name: HOME
  value: /home/millrace
- name: MILLRACE_MODELS
  value: /home/millrace/.cache/millrace/models
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "millrace.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if .Values.gpu.enabled -}}
{{- $limits := set (default dict $resources.limits) .Values.gpu.resourceName (int .Values.gpu.count) -}}
{{- $resources = set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- define "millrace.initContainers" -}}
{{- with .Values.extraInitContainers }}
{{ toYaml . }}
{{- end }}
{{- if eq .Values.model.source "initContainer" }}
{{- range $index, $name := .Values.model.initContainer.names }}
- name: model-{{ $index }}
  image: {{ include "millrace.image" $ }}
  imagePullPolicy: {{ $.Values.image.pullPolicy }}
  command:
    - node
    - /etc/millrace-models/add-model.mjs
    - {{ $name | quote }}
    {{- range $.Values.model.initContainer.args }}
    - {{ . | quote }}
    {{- end }}
  env:
    - name: HOME
      value: /home/millrace
    - name: MILLRACE_MODELS
      value: /home/millrace/.cache/millrace/models
    {{- with $.Values.model.initContainer.endpoint }}
    - name: HF_ENDPOINT
      value: {{ . | quote }}
    {{- end }}
  resources:
    {{- toYaml $.Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml $.Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: add-model
      mountPath: /etc/millrace-models
      readOnly: true
    - name: tmp
      mountPath: /tmp
    {{- include "millrace.modelMount" $ | trim | nindent 4 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether the models that were added at the start lie on the disk of the state, where they need not be fetched again. */}}
{{- define "millrace.modelsOnDisk" -}}
{{- if and (eq .Values.model.source "initContainer") .Values.persistence.enabled -}}true{{- end -}}
{{- end -}}

{{- define "millrace.modelMount" -}}
{{- if eq .Values.model.source "pvc" }}
- name: models
  mountPath: /home/millrace/.cache/millrace/models
  readOnly: true
  {{- with .Values.model.pvc.subPath }}
  subPath: {{ . | quote }}
  {{- end }}
{{- else if include "millrace.modelsOnDisk" . }}
- name: data
  mountPath: /home/millrace/.cache/millrace/models
  subPath: models
{{- else if eq .Values.model.source "initContainer" }}
- name: models
  mountPath: /home/millrace/.cache/millrace/models
{{- end }}
{{- end -}}

{{- define "millrace.volumeMounts" -}}
- name: pipeline
  mountPath: /etc/millrace
  readOnly: true
- name: data
  mountPath: /var/lib/millrace
- name: tmp
  mountPath: /tmp
{{- include "millrace.modelMount" . }}
{{- range .Values.secrets }}
- name: secret-{{ .name }}
  mountPath: /run/secrets/millrace/{{ .name }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "millrace.volumes" -}}
- name: pipeline
  configMap:
    name: {{ include "millrace.pipelineConfigMap" . }}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- if not .Values.persistence.enabled }}
- name: data
  emptyDir:
    sizeLimit: {{ .Values.persistence.size }}
{{- else if eq .Values.workload "Deployment" }}
- name: data
  ephemeral:
    volumeClaimTemplate:
      spec:
        {{- include "millrace.claimSpec" . | nindent 8 }}
{{- end }}
{{- if eq .Values.model.source "pvc" }}
- name: models
  persistentVolumeClaim:
    claimName: {{ .Values.model.pvc.claimName }}
    readOnly: true
{{- else if eq .Values.model.source "initContainer" }}
- name: add-model
  configMap:
    name: {{ include "millrace.fullname" . }}-models
{{- if not (include "millrace.modelsOnDisk" .) }}
- name: models
  emptyDir:
    sizeLimit: {{ .Values.model.initContainer.sizeLimit }}
{{- end }}
{{- end }}
{{- range .Values.secrets }}
- name: secret-{{ .name }}
  secret:
    secretName: {{ .existingSecret }}
    defaultMode: 0440
    {{- with .items }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "millrace.claimSpec" -}}
accessModes:
  {{- toYaml .Values.persistence.accessModes | nindent 2 }}
{{- with .Values.persistence.storageClassName }}
storageClassName: {{ ternary "" . (eq "-" .) | quote }}
{{- end }}
resources:
  requests:
    storage: {{ .Values.persistence.size }}
{{- end -}}
