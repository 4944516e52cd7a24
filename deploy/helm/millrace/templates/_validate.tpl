{{/* What the schema cannot say: every problem at once, each with its place and its fix. */}}
{{- define "millrace.validate" -}}
{{- $problems := concat
  (include "millrace.pipelineProblems" . | fromYamlArray)
  (include "millrace.modelProblems" . | fromYamlArray)
  (include "millrace.autoscalingProblems" . | fromYamlArray)
  (include "millrace.podProblems" . | fromYamlArray)
  (include "millrace.testProblems" . | fromYamlArray) -}}
{{- if $problems -}}
{{- printf "\n\nCONFIG_INVALID: %d of the values cannot be used.\n- %s\n" (len $problems) (join "\n- " $problems) | fail -}}
{{- end -}}
{{- end -}}

{{- define "millrace.pipelineProblems" -}}
{{- $given := list -}}
{{- if .Values.config }}{{ $given = append $given "config" }}{{ end -}}
{{- if .Values.existingConfigMap.name }}{{ $given = append $given "existingConfigMap.name" }}{{ end -}}
{{- if .Values.topology.existingConfigMap }}{{ $given = append $given "topology.existingConfigMap" }}{{ end -}}
{{- $problems := list -}}
{{- if not $given -}}
{{- $problems = append $problems "there is no pipeline. Give it as `config`, `existingConfigMap.name` or `topology.existingConfigMap`." -}}
{{- else if gt (len $given) 1 -}}
{{- $problems = append $problems (printf "%s: the pipeline is given more than once. Keep one of them." (join ", " $given)) -}}
{{- end -}}
{{- with (include "millrace.configText" . | fromYaml).Error -}}
{{- $problems = append $problems (printf "config: this is no YAML map: %s. Correct it." (. | replace "\n" " ")) -}}
{{- end -}}
{{- toYaml $problems -}}
{{- end -}}

{{- define "millrace.modelProblems" -}}
{{- $problems := list -}}
{{- if and (eq .Values.model.source "pvc") (not .Values.model.pvc.claimName) -}}
{{- $problems = append $problems "model.pvc.claimName: empty with model.source pvc. Name the claim." -}}
{{- end -}}
{{- if and (eq .Values.model.source "initContainer") (not .Values.model.initContainer.names) -}}
{{- $problems = append $problems "model.initContainer.names: empty with model.source initContainer. Name at least one model." -}}
{{- end -}}
{{- toYaml $problems -}}
{{- end -}}

{{- define "millrace.autoscalingProblems" -}}
{{- $problems := list -}}
{{- with .Values.autoscaling -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- $problems = append $problems (printf "autoscaling.minReplicas: %d is more than maxReplicas, %d. Lower it." (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if and (eq .type "keda") (not .keda.topics) -}}
{{- $problems = append $problems "autoscaling.keda.topics: empty with autoscaling.type keda. Name the source topics: without them KEDA would watch every topic of the group." -}}
{{- end -}}
{{- if and (eq .type "keda") (not $.Values.kafka.brokers) -}}
{{- $problems = append $problems "kafka.brokers: empty with autoscaling.type keda, which asks the brokers for the lag. Name them." -}}
{{- end -}}
{{- if and (eq .type "keda") (not (include "millrace.application" $)) -}}
{{- $problems = append $problems "application: empty with autoscaling.type keda, which has to know the consumer group, and only the pipeline names it. Set it." -}}
{{- end -}}
{{- if and (eq .type "hpa") (not (dig "requests" "cpu" "" $.Values.resources)) -}}
{{- $problems = append $problems "resources.requests.cpu: missing with autoscaling.type hpa, which scales by percent of it. Set it." -}}
{{- end -}}
{{- end -}}
{{- toYaml $problems -}}
{{- end -}}

{{- define "millrace.podProblems" -}}
{{- $problems := list -}}
{{- $runtime := (include "millrace.configText" . | fromYaml).runtime | default dict -}}
{{- $close := coalesce .Values.settings.closeDeadlineMs $runtime.closeDeadlineMs 30000 | int -}}
{{- if ge $close (mul 1000 (int .Values.terminationGracePeriodSeconds)) -}}
{{- $problems = append $problems (printf "terminationGracePeriodSeconds: %d s are not more than closeDeadlineMs, %d ms. Raise it, or the pod is killed while it commits." (int .Values.terminationGracePeriodSeconds) $close) -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and .value (regexMatch "(?i)(password|passwd|secret|token|api_?key|private_?key)$" .name) -}}
{{- $problems = append $problems (printf "extraEnv.%s: a secret does not belong into the values. Put it into a Secret, name it in `secrets`, and read the file with `${file:/run/secrets/millrace/...}`." .name) -}}
{{- end -}}
{{- end -}}
{{- $names := list -}}
{{- range .Values.secrets -}}
{{- if has .name $names -}}
{{- $problems = append $problems (printf "secrets: the name %s is used twice. Give each a name of its own." .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- toYaml $problems -}}
{{- end -}}

{{- define "millrace.testProblems" -}}
{{- $problems := list -}}
{{- with .Values.tests.roundTrip -}}
{{- if .enabled -}}
{{- $needed := dict "tests.roundTrip.topic" .topic "tests.roundTrip.collection" .collection "qdrant.url" $.Values.qdrant.url "kafka.brokers" $.Values.kafka.brokers -}}
{{- range $place, $value := $needed -}}
{{- if not $value -}}
{{- $problems = append $problems (printf "%s: empty with tests.roundTrip.enabled. Set it." $place) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $problems -}}
{{- end -}}
