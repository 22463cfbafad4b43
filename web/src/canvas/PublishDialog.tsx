import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { Rocket } from "lucide-react"
import { useState } from "react"
import { api, unwrap } from "../api/client"
import { messageOf, Problem } from "../api/problem"
import { Button } from "../ui/Button"
import { Dialog } from "../ui/Dialog"
import { Field } from "../ui/Field"
import { useToast } from "../ui/Toast"
import { useEditing, useSaver } from "./context"
import { Diff } from "./Diff"
import styles from "./panel.module.css"

/** Makes the draft what runs, with what is new in it shown first. */
export function PublishDialog({ onClose }: { onClose: () => void }) {
  const { id, saver } = useEditing()
  const version = useSaver((state) => state.at.version)
  const [note, setNote] = useState("")
  const queries = useQueryClient()
  const { say } = useToast()
  const diff = useQuery({
    queryKey: ["workflows", id, "diff", "published", version],
    queryFn: () =>
      unwrap(
        api.GET("/api/v1/workflows/{workflow_id}/versions/diff", {
          params: { path: { workflow_id: id }, query: { from: "published", to: version } },
        }),
      ),
    retry: false,
  })
  const publish = useMutation({
    mutationFn: async () => {
      if (!(await saver.getState().flush())) throw new Error("The draft could not be saved first.")
      return unwrap(
        api.POST("/api/v1/workflows/{workflow_id}/publish", {
          params: { path: { workflow_id: id } },
          body: { version: saver.getState().at.version, note: note.trim() || null },
        }),
      )
    },
    onSuccess: (made) => {
      say(`Version ${made.version ?? ""} is published.`)
      void queries.invalidateQueries({ queryKey: ["workflows"] })
      onClose()
    },
  })
  const issues = publish.error instanceof Problem ? publish.error.issues : []
  return (
    <Dialog
      title="Publish"
      open
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            variant="primary"
            icon={<Rocket size={15} />}
            busy={publish.isPending}
            onClick={() => publish.mutate()}
          >
            Publish version {version}
          </Button>
        </>
      }
    >
      <p className={styles.text}>
        It is what runs from now on, by hand, by schedules and by webhooks. Runs that have begun go
        on as they began.
      </p>
      {publish.isError && (
        <div role="alert" className={styles.issue} data-severity="error">
          {messageOf(publish.error)}
          {issues.slice(0, 5).map((issue, index) => (
            <div key={index}>
              {issue.node_id != null && <strong>{issue.node_id}: </strong>}
              {issue.message}
            </div>
          ))}
        </div>
      )}
      <Field label="What is new" hint="For people who look at the versions later.">
        {(field) => (
          <textarea
            {...field}
            rows={2}
            maxLength={2000}
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
        )}
      </Field>
      {diff.isSuccess && <Diff diff={diff.data} />}
      {diff.isError && <p className={styles.text}>Nothing was published before.</p>}
    </Dialog>
  )
}
