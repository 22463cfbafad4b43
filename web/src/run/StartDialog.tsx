import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { Clock, Play } from "lucide-react"
import { useId, useState, type SyntheticEvent } from "react"
import { useNavigate } from "react-router"

import { api, unwrap } from "../api/client"
import { messageOf, Problem } from "../api/problem"
import { Button } from "../ui/Button"
import { Dialog } from "../ui/Dialog"
import { Field, Switch } from "../ui/Field"
import { Loading, Failed } from "../ui/State"
import { Fields } from "./Fields"
import { draftOf, fieldsOfInputs, jsonOrText, read, type Draft, type FieldSpec } from "./fields"
import { lastInput, rememberInput } from "./lastInput"
import styles from "./run.module.css"
import type { Execution } from "./useRun"

interface Props {
  workflowId: string
  open: boolean
  onClose: () => void
  /** What is run: by default the published version, or the newest where none ever was. */
  version?: "draft" | "published" | number
  /** With the id of the run; by default its page is gone to. */
  onStarted?: (executionId: string) => void
}

/** Asks for a workflow's input, and starts a run. */
export function StartDialog(props: Props) {
  const { workflowId, open, onClose } = props
  const workflow = useQuery({
    queryKey: ["workflows", workflowId, "start"],
    queryFn: () =>
      unwrap(
        api.GET("/api/v1/workflows/{workflow_id}", {
          params: { path: { workflow_id: workflowId } },
        }),
      ),
    enabled: open,
    staleTime: 0,
  })
  if (workflow.isSuccess && !workflow.isFetching) {
    const start = workflow.data.nodes.find((node) => node.type === "start")
    return (
      <StartForm
        key={workflow.data.version}
        {...props}
        name={workflow.data.name}
        fields={fieldsOfInputs(start?.config)}
      />
    )
  }
  return (
    <Dialog title="Run" open={open} onClose={onClose}>
      {workflow.isError ? (
        <Failed error={workflow.error} onRetry={() => void workflow.refetch()} />
      ) : (
        <Loading what="the workflow" />
      )}
    </Dialog>
  )
}

const WHOLE = "input"

function StartForm(props: Props & { name: string; fields: FieldSpec[] | null }) {
  const { workflowId, fields, onClose } = props
  const navigate = useNavigate()
  const queries = useQueryClient()
  const form = useId()
  const [draft, setDraft] = useState<Draft>(() => {
    const before = lastInput(workflowId)
    if (fields !== null) return draftOf(fields, before)
    return { [WHOLE]: before === undefined ? "" : JSON.stringify(before, null, 2) }
  })
  const [errors, setErrors] = useState<Record<string, string>>({})
  const [when, setWhen] = useState("")
  const [isDry, setDry] = useState(false)

  const start = useMutation({
    mutationFn: async (input: unknown) => {
      const started = await unwrap(
        api.POST("/api/v1/workflows/{workflow_id}/execute", {
          params: {
            path: { workflow_id: workflowId },
            header: { "idempotency-key": crypto.randomUUID() },
          },
          body: {
            input: input as never,
            dry_run: isDry,
            use_pins: false,
            ...(props.version !== undefined && { version: props.version }),
            ...(when !== "" && { start_at: new Date(when).toISOString() }),
          },
        }),
      )
      return (started as Execution).id // with `stream` alone it is anything else
    },
    onSuccess: (id) => {
      void queries.invalidateQueries({ queryKey: ["executions"] })
      onClose()
      if (props.onStarted) props.onStarted(id)
      else void navigate(`/executions/${id}`)
    },
  })

  function submit(event: SyntheticEvent) {
    event.preventDefault()
    const given: { values: unknown; errors: Record<string, string> } =
      fields === null
        ? { values: jsonOrText(String(draft[WHOLE] ?? "")), errors: {} }
        : read(fields, draft)
    setErrors(given.errors)
    if (Object.keys(given.errors).length > 0) return
    rememberInput(workflowId, given.values)
    start.mutate(given.values)
  }

  return (
    <Dialog
      title={`Run ${props.name}`}
      open={props.open}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            variant="primary"
            type="submit"
            form={form}
            busy={start.isPending}
            icon={when === "" ? <Play size={16} /> : <Clock size={16} />}
          >
            {when === "" ? "Run" : "Schedule"}
          </Button>
        </>
      }
    >
      <form id={form} className={styles.form} onSubmit={submit} noValidate>
        {start.isError && (
          <div className={styles.problem} role="alert">
            {messageOf(start.error)}
            {start.error instanceof Problem && start.error.issues.length > 0 && (
              <ul>
                {start.error.issues.map((issue, index) => (
                  <li key={index}>{issue.message}</li>
                ))}
              </ul>
            )}
          </div>
        )}
        {fields === null ? (
          <Field label="Input" hint="Text, or any JSON. This workflow declares no inputs.">
            {(field) => (
              <textarea
                {...field}
                className={`${field.className} ${styles.mono}`}
                rows={5}
                value={String(draft[WHOLE] ?? "")}
                onChange={(event) => setDraft({ [WHOLE]: event.target.value })}
              />
            )}
          </Field>
        ) : (
          <Fields fields={fields} draft={draft} errors={errors} onChange={setDraft} />
        )}
        <details className={styles.more}>
          <summary>More options</summary>
          <Field label="Start later" hint="Your local time, at most a year from now.">
            {(field) => (
              <input
                {...field}
                type="datetime-local"
                value={when}
                onChange={(event) => setWhen(event.target.value)}
              />
            )}
          </Field>
          <Switch
            label="Dry run"
            hint="Models and the world outside are not asked: what they answered in the last run that succeeded is taken."
            checked={isDry}
            onChange={setDry}
          />
        </details>
      </form>
    </Dialog>
  )
}
