import { Button } from "../ui/Button"
import { Dialog } from "../ui/Dialog"
import { Field } from "../ui/Field"
import { useCanvas, useEditing } from "./context"

/** What holds for a workflow as a whole; saved as everything else is. */
export function SettingsDialog({ onClose }: { onClose: () => void }) {
  const { canvas } = useEditing()
  const doc = useCanvas((state) => state.doc)
  const { describe } = canvas.getState()
  const number = (text: string, value: number) => (text === "" ? null : value)
  return (
    <Dialog
      title="Workflow settings"
      open
      onClose={onClose}
      footer={
        <Button variant="primary" onClick={onClose}>
          Done
        </Button>
      }
    >
      <Field label="Description">
        {(field) => (
          <textarea
            {...field}
            maxLength={10_000}
            value={doc.description}
            onChange={(event) => describe({ description: event.target.value }, "description")}
          />
        )}
      </Field>
      <Field label="Time limit (seconds)" hint="The longest that a run may take; empty: none.">
        {(field) => (
          <input
            {...field}
            type="number"
            min={1}
            value={doc.timeout_s ?? ""}
            onChange={(event) =>
              describe(
                { timeout_s: number(event.target.value, event.target.valueAsNumber) },
                "timeout_s",
              )
            }
          />
        )}
      </Field>
      <Field label="Nodes at once" hint="How many nodes of a run may be under way; empty: 500.">
        {(field) => (
          <input
            {...field}
            type="number"
            min={1}
            max={500}
            value={doc.max_parallel ?? ""}
            onChange={(event) =>
              describe(
                { max_parallel: number(event.target.value, event.target.valueAsNumber) },
                "max_parallel",
              )
            }
          />
        )}
      </Field>
    </Dialog>
  )
}
