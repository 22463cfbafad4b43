import { useMutation, useQueryClient } from "@tanstack/react-query"
import { Check, X } from "lucide-react"
import { useMemo, useState } from "react"

import { api, unwrap, type Schemas } from "../api/client"
import { messageOf, Problem } from "../api/problem"
import { Button } from "../ui/Button"
import { Field } from "../ui/Field"
import { useToast } from "../ui/Toast"
import { Fields } from "./Fields"
import { draftOf, fieldsOfSchema, parseJson, read, type Draft } from "./fields"
import styles from "./run.module.css"

type Approval = Schemas["ApprovalOut"]
/** The iteration that asks, inside loops and maps; the API leaves out an empty one. */
export const pathOf = (approval: { path?: string }): string => approval.path ?? ""

type Decision = "approved" | "rejected"

/** Answers an approval: the form that it asks for, a comment, and yes or no. */
export function ApprovalForm(props: { approval: Approval; onAnswered?: () => void }) {
  const { approval } = props
  const queries = useQueryClient()
  const toast = useToast()
  const fields = useMemo(() => fieldsOfSchema(approval.form), [approval.form])
  const hasForm = approval.form !== null && approval.form !== undefined
  const [draft, setDraft] = useState<Draft>(() =>
    fields === null ? { values: "" } : draftOf(fields, null),
  )
  const [errors, setErrors] = useState<Record<string, string>>({})
  const [comment, setComment] = useState("")

  const answer = useMutation({
    mutationFn: ({ decision, values }: { decision: Decision; values: unknown }) =>
      unwrap(
        api.POST("/api/v1/executions/{execution_id}/approvals/{node_id}", {
          params: {
            path: { execution_id: approval.execution_id, node_id: approval.node_id },
            header: { "idempotency-key": crypto.randomUUID() },
          },
          body: {
            decision,
            values: values as never,
            path: pathOf(approval),
            ...(comment.trim() !== "" && { comment: comment.trim() }),
          },
        }),
      ),
    onSuccess: ({ status, approvals, required }) => {
      void queries.invalidateQueries({ queryKey: ["approvals"] })
      void queries.invalidateQueries({ queryKey: ["executions", approval.execution_id] })
      toast.say(
        status === "waiting" ? `${approvals} of ${required} have approved.` : `It is ${status}.`,
      )
      props.onAnswered?.()
    },
    onError: (error) => {
      if (!(error instanceof Problem)) return
      const wrong = error.issues.flatMap(({ field, message }) =>
        !field
          ? []
          : [[field.replace(/^\/?(values\/)?/, "").split(/[/.]/)[0] ?? "", message] as const],
      )
      setErrors(Object.fromEntries(wrong))
    },
  })

  function decide(decision: Decision) {
    let values: unknown = null
    if (decision === "approved" && fields !== null) {
      const given = read(fields, draft)
      setErrors(given.errors)
      if (Object.keys(given.errors).length > 0) return
      values = given.values
    } else if (decision === "approved" && hasForm && draft.values !== "") {
      try {
        values = parseJson(String(draft.values))
      } catch (error) {
        setErrors({ values: messageOf(error) })
        return
      }
    }
    answer.mutate({ decision, values })
  }

  return (
    <div className={styles.form}>
      <div>
        <h3 className={styles.asked}>{approval.title}</h3>
        {approval.description && <p className={styles.prose}>{approval.description}</p>}
        {approval.required > 1 && (
          <p className={styles.soft}>
            {approval.approvals} of {approval.required} have approved.
          </p>
        )}
        {approval.expires_at && (
          <p className={styles.soft}>Until {new Date(approval.expires_at).toLocaleString()}</p>
        )}
      </div>
      {fields !== null && (
        <Fields fields={fields} draft={draft} errors={errors} onChange={setDraft} />
      )}
      {fields === null && hasForm && (
        <Field label="Values" hint="JSON" error={errors.values ?? null}>
          {(field) => (
            <textarea
              {...field}
              value={String(draft.values ?? "")}
              onChange={(event) => setDraft({ values: event.target.value })}
            />
          )}
        </Field>
      )}
      <Field label="Comment" hint="Kept with your answer, for all who may see the run.">
        {(field) => (
          <input {...field} value={comment} onChange={(event) => setComment(event.target.value)} />
        )}
      </Field>
      {answer.isError && (
        <div className={styles.problem} role="alert">
          {messageOf(answer.error)}
        </div>
      )}
      <div className={styles.row}>
        <Button
          variant="primary"
          icon={<Check size={16} />}
          busy={answer.isPending && answer.variables.decision === "approved"}
          disabled={answer.isPending}
          onClick={() => decide("approved")}
        >
          Approve
        </Button>
        <Button
          variant="danger"
          icon={<X size={16} />}
          busy={answer.isPending && answer.variables.decision === "rejected"}
          disabled={answer.isPending}
          onClick={() => decide("rejected")}
        >
          Reject
        </Button>
      </div>
    </div>
  )
}
