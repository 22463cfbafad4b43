import { useMutation } from "@tanstack/react-query"
import { Radio } from "lucide-react"
import { useState } from "react"

import { api, unwrap } from "../api/client"
import { messageOf } from "../api/problem"
import { Button } from "../ui/Button"
import { Field } from "../ui/Field"
import { useToast } from "../ui/Toast"
import { jsonOrText } from "./fields"
import styles from "./run.module.css"

const SAID: Record<string, string> = {
  accepted: "The run has taken it.",
  buffered: "The run takes it when it comes there.",
}

/** Sends a signal to the nodes that wait for it by that name. */
export function SignalForm({ executionId, name }: { executionId: string; name: string }) {
  const [payload, setPayload] = useState("")
  const toast = useToast()
  const send = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/api/v1/executions/{execution_id}/signals/{name}", {
          params: {
            path: { execution_id: executionId, name },
            header: { "idempotency-key": crypto.randomUUID() },
          },
          body: { payload: jsonOrText(payload) as never },
        }),
      ),
    onSuccess: ({ deliveries }) => {
      const [first] = deliveries
      toast.say(first?.message ?? SAID[first?.status ?? ""] ?? "Nothing waits for it any more.")
    },
  })
  return (
    <div className={styles.form}>
      <Field label={`Payload of “${name}”`} hint="Text, or any JSON.">
        {(field) => (
          <textarea
            {...field}
            rows={3}
            value={payload}
            onChange={(event) => setPayload(event.target.value)}
          />
        )}
      </Field>
      {send.isError && (
        <div className={styles.problem} role="alert">
          {messageOf(send.error)}
        </div>
      )}
      <Button
        variant="primary"
        icon={<Radio size={16} />}
        busy={send.isPending}
        onClick={() => send.mutate()}
      >
        Send the signal
      </Button>
    </div>
  )
}
