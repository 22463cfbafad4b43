import { CircleAlert, CircleCheck, FileUp, Info, TriangleAlert } from "lucide-react"
import { useState } from "react"
import { useNavigate } from "react-router"
import type { Schemas } from "../api/client"
import { messageOf } from "../api/problem"
import { Badge } from "../ui/Badge"
import { Button } from "../ui/Button"
import { Dialog } from "../ui/Dialog"
import { Field } from "../ui/Field"
import { importDocument, useWorkflowChange } from "./queries"
import styles from "./workflows.module.css"

type Format = Schemas["ImportFormat"]

const FORMATS: [Format, string][] = [
  ["auto", "Find out"],
  ["pilot", "πlot"],
  ["reactflow", "React Flow"],
  ["dify", "Dify"],
  ["n8n", "n8n"],
]
const SEVERITIES = {
  error: <CircleAlert size={16} aria-label="Error" />,
  warning: <TriangleAlert size={16} aria-label="Warning" />,
  info: <Info size={16} aria-label="Note" />,
}

/** A document of another format: looked at first, saved when the report has been seen. */
export function ImportDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const navigate = useNavigate()
  const [content, setContent] = useState("")
  const [format, setFormat] = useState<Format>("auto")
  const ask = useWorkflowChange(importDocument)
  const look = ask.data?.draft ? ask.data : null

  function given(text: string) {
    setContent(text)
    ask.reset()
  }

  async function read(file: File | undefined) {
    if (file) given(await file.text())
  }

  const send = (dryRun: boolean) =>
    ask.mutate(
      { content, format, name: null, dryRun },
      {
        onSuccess: (answer) => {
          if (answer.workflow) void navigate(`/workflows/${answer.workflow.id}`)
        },
      },
    )

  return (
    <Dialog
      title="Import a workflow"
      open={open}
      onClose={onClose}
      width={720}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          {look === null ? (
            <Button
              variant="primary"
              busy={ask.isPending}
              disabled={content.trim() === ""}
              onClick={() => send(true)}
            >
              Look at it
            </Button>
          ) : (
            <Button variant="primary" busy={ask.isPending} onClick={() => send(false)}>
              Import
            </Button>
          )}
        </>
      }
    >
      <div
        className={styles.drop}
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault()
          void read(event.dataTransfer.files[0])
        }}
      >
        <FileUp size={22} aria-hidden />
        <span>
          Drop a file here, or{" "}
          <label className={styles.browse}>
            choose one
            <input
              type="file"
              className="visually-hidden"
              accept=".json,.yml,.yaml,.txt"
              onChange={(event) => void read(event.target.files?.[0])}
            />
          </label>
          . Nothing in it is run.
        </span>
      </div>
      <Field label="Document">
        {(field) => (
          <textarea
            {...field}
            rows={6}
            spellCheck={false}
            placeholder="Or paste it: JSON or YAML"
            style={{ fontFamily: "var(--mono)" }}
            value={content}
            onChange={(event) => given(event.target.value)}
          />
        )}
      </Field>
      <Field label="Format">
        {(field) => (
          <select
            {...field}
            value={format}
            onChange={(event) => {
              setFormat(event.target.value as Format)
              ask.reset()
            }}
          >
            {FORMATS.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        )}
      </Field>
      {ask.isError && (
        <p role="alert" className={styles.wrong}>
          {messageOf(ask.error)}
        </p>
      )}
      {look !== null && <Report report={look.report} name={look.draft?.name ?? ""} />}
    </Dialog>
  )
}

function Report({ report, name }: { report: Schemas["ImportOut"]["report"]; name: string }) {
  const findings = [...report.dropped, ...report.approximated]
  const count = (severity: string) => findings.filter((one) => one.severity === severity).length
  return (
    <section className={styles.report} aria-label="Report">
      <header>
        <CircleCheck size={18} aria-hidden />
        <strong>{name}</strong>
        <Badge tone="accent">{report.format}</Badge>
        <Badge tone="ok">{report.carried.length} carried</Badge>
        {count("error") > 0 && <Badge tone="error">{count("error")} to be seen to</Badge>}
        {count("warning") > 0 && <Badge tone="warn">{count("warning")} differ</Badge>}
      </header>
      {findings.length > 0 && (
        <ul>
          {findings.map((one, index) => (
            <li key={index} data-severity={one.severity}>
              {SEVERITIES[one.severity]}
              <span>
                {one.name != null && <strong>{one.name}: </strong>}
                {one.message}
                {one.action != null && <small>{one.action}</small>}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
