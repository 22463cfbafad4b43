import {
  ChevronLeft,
  CircleAlert,
  CircleCheck,
  Cloud,
  CloudOff,
  Ellipsis,
  Eye,
  History,
  Play,
  Rocket,
  TriangleAlert,
} from "lucide-react"
import { useState } from "react"
import { useNavigate } from "react-router"
import { ButtonLink, Button, IconButton } from "../ui/Button"
import { Menu } from "../ui/Menu"
import { useToast } from "../ui/Toast"
import { downloadWorkflow } from "../workflows/download"
import { useCanvas, useEditing, useSaver } from "./context"
import styles from "./canvas.module.css"
import { SettingsDialog } from "./SettingsDialog"

const SAVING = {
  saved: "Saved",
  dirty: "Not saved yet",
  saving: "Saving…",
  failed: "Could not be saved",
  conflict: "Changed by somebody else",
}

export function TopBar(props: {
  onIssues: () => void
  onVersions: () => void
  onPublish: () => void
  onRun: () => void
}) {
  const { id, canvas, saver, readOnly } = useEditing()
  const name = useCanvas((state) => state.doc.name)
  const issues = useCanvas((state) => state.issues)
  const status = useSaver((state) => state.status)
  const error = useSaver((state) => state.error)
  const { complain } = useToast()
  const navigate = useNavigate()
  const [settings, setSettings] = useState(false)
  const errors = issues.filter((issue) => issue.severity === "error").length

  return (
    <header className={styles.bar}>
      <ButtonLink
        to="/workflows"
        variant="ghost"
        size="small"
        icon={<ChevronLeft size={16} />}
        aria-label="All workflows"
      />
      <h1 className="visually-hidden">{name}</h1>
      <input
        className={styles.name}
        aria-label="Workflow name"
        maxLength={200}
        readOnly={readOnly}
        value={name}
        onChange={(event) => {
          const text = event.target.value
          // a workflow has a name: an empty one is not kept
          if (text.trim() !== "") canvas.getState().describe({ name: text }, "name")
        }}
      />
      {readOnly ? (
        <span className={styles.status} role="status" title="It is shared with you for reading.">
          <Eye size={15} aria-hidden />
          You may look, and change nothing
        </span>
      ) : (
        <span
          className={styles.status}
          data-status={status}
          role="status"
          title={error?.message ?? undefined}
        >
          {status === "failed" || status === "conflict" ? (
            <CloudOff size={15} aria-hidden />
          ) : (
            <Cloud size={15} aria-hidden />
          )}
          {SAVING[status]}
        </span>
      )}
      {status === "failed" && (
        <Button size="small" onClick={() => void saver.getState().flush()}>
          Try again
        </Button>
      )}
      <span className={styles.gap} />
      <Button
        size="small"
        variant="ghost"
        icon={
          issues.length === 0 ? (
            <CircleCheck size={16} className={styles.markOk} />
          ) : errors > 0 ? (
            <CircleAlert size={16} className={styles.markError} />
          ) : (
            <TriangleAlert size={16} className={styles.markWarn} />
          )
        }
        onClick={props.onIssues}
      >
        {issues.length === 0
          ? "No issues"
          : `${issues.length} ${issues.length === 1 ? "issue" : "issues"}`}
      </Button>
      <Button size="small" variant="ghost" icon={<History size={16} />} onClick={props.onVersions}>
        Versions
      </Button>
      <span className={styles.line} aria-hidden />
      {!readOnly && (
        <Button size="small" icon={<Rocket size={15} />} onClick={props.onPublish}>
          Publish
        </Button>
      )}
      <Button size="small" variant="primary" icon={<Play size={15} />} onClick={props.onRun}>
        Run
      </Button>
      <Menu
        label="More about this workflow"
        items={[
          ...(readOnly ? [] : [{ label: "Settings", onSelect: () => setSettings(true) }]),
          {
            label: "Its executions",
            onSelect: () => void navigate(`/executions?workflow_id=${id}`),
          },
          null,
          {
            label: "Export as πlot",
            onSelect: () => {
              downloadWorkflow(id, name, "pilot").catch(complain)
            },
          },
          {
            label: "Export as Mermaid",
            onSelect: () => {
              downloadWorkflow(id, name, "mermaid").catch(complain)
            },
          },
        ]}
      >
        {(trigger) => (
          <IconButton
            {...trigger}
            size="small"
            label="More about this workflow"
            icon={<Ellipsis size={17} />}
          />
        )}
      </Menu>
      {settings && <SettingsDialog onClose={() => setSettings(false)} />}
    </header>
  )
}
