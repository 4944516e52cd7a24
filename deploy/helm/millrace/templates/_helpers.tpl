{{- define "millrace.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* 52 characters: the hash of a revision follows in a label of 63. */}}
{{- define "millrace.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "millrace.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "millrace.selectorLabels" -}}
app.kubernetes.io/name: {{ include "millrace.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The pod of `helm test`: no selector of the instances may match it. */}}
{{- define "millrace.testLabels" -}}
app.kubernetes.io/name: {{ include "millrace.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "millrace.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "millrace" -}}
{{- $own = merge $own (include "millrace.selectorLabels" . | fromYaml) -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{/* `name`, `labels` and `annotations` of an object: (list $ "suffix" $labels $annotations). */}}
{{- define "millrace.metadata" -}}
{{- $root := index . 0 -}}
{{- $labels := merge (include "millrace.labels" $root | fromYaml) (index . 2) -}}
{{- $annotations := merge (deepCopy (index . 3)) $root.Values.commonAnnotations -}}
name: {{ include "millrace.fullname" $root }}{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "millrace.serviceAccountName" -}}
{{- $standard := ternary (include "millrace.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $standard .Values.serviceAccount.name -}}
{{- end -}}

{{- define "millrace.image" -}}
{{- $tag := default (printf "%s%s" .Chart.AppVersion (ternary "-gpu" "" .Values.gpu.enabled)) .Values.image.tag -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ $tag }}{{ end -}}
{{- end -}}

{{/*
The name of the application, which is that of the consumer group too. Empty where only the pipeline knows it: it lies in someone else's
ConfigMap, or its name is a reference.
*/}}
{{- define "millrace.application" -}}
{{- $inPipeline := (include "millrace.configText" . | fromYaml).application | default "" | toString -}}
{{- if .Values.application -}}
{{- .Values.application -}}
{{- else if not (or .Values.existingConfigMap.name (contains "${" $inPipeline)) -}}
{{- default (include "millrace.fullname" .) $inPipeline -}}
{{- end -}}
{{- end -}}

{{/* The ConfigMap of the pipeline, and the file in it. */}}
{{- define "millrace.pipelineConfigMap" -}}
{{- coalesce .Values.topology.existingConfigMap .Values.existingConfigMap.name (include "millrace.fullname" .) -}}
{{- end -}}

{{- define "millrace.pipelineFile" -}}
{{- if .Values.topology.existingConfigMap -}}
{{- .Values.topology.key -}}
{{- else if .Values.existingConfigMap.name -}}
{{- .Values.existingConfigMap.key -}}
{{- else -}}
millrace.yaml
{{- end -}}
{{- end -}}

{{/* What was given as text stays as it is. */}}
{{- define "millrace.configText" -}}
{{- if kindIs "string" .Values.config -}}{{ .Values.config }}{{- else if .Values.config -}}{{ toYaml .Values.config }}{{- end -}}
{{- end -}}

{{/* A scalar as a command line takes it: numbers without an exponent. */}}
{{- define "millrace.scalar" -}}
{{- if kindIs "string" . -}}{{ . }}{{- else -}}{{ toJson . }}{{- end -}}
{{- end -}}
