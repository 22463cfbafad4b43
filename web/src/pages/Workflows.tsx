import {
  Copy,
  Download,
  Ellipsis,
  FileUp,
  Plus,
  Search,
  Trash2,
  Workflow as WorkflowIcon,
} from "lucide-react"
import { useState } from "react"
import { Link, useNavigate, useSearchParams } from "react-router"
import { Problem } from "../api/problem"
import { Page } from "../layout/Page"
import { Badge } from "../ui/Badge"
import { Button, IconButton } from "../ui/Button"
import { Confirm } from "../ui/Dialog"
import { Menu } from "../ui/Menu"
import { Empty, Failed, Loading } from "../ui/State"
import { ago, exact } from "../ui/time"
import { useToast } from "../ui/Toast"
import { downloadWorkflow, type ExportFormat } from "../workflows/download"
import { ImportDialog } from "../workflows/ImportDialog"
import { NewDialog } from "../workflows/NewDialog"
import {
  deleteWorkflow,
  duplicateWorkflow,
  useWorkflowChange,
  useWorkflows,
  type WorkflowSummary,
} from "../workflows/queries"
import styles from "../workflows/workflows.module.css"

export function WorkflowsPage() {
  const [params, setParams] = useSearchParams()
  const search = params.get("q") ?? ""
  const shared = params.get("of") === "others"
  const list = useWorkflows(shared)
  const [dialog, setDialog] = useState<"new" | "import" | null>(null)

  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  const all = list.data?.pages.flatMap((page) => page.items) ?? []
  const shown = all.filter((one) => {
    const text = `${one.name} ${one.description}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })

  const set = (name: string, value: string) =>
    setParams(
      (before) => {
        if (value === "") before.delete(name)
        else before.set(name, value)
        return before
      },
      { replace: true },
    )

  return (
    <Page
      title="Workflows"
      actions={
        <>
          <Button icon={<FileUp size={16} />} onClick={() => setDialog("import")}>
            Import
          </Button>
          <Button variant="primary" icon={<Plus size={16} />} onClick={() => setDialog("new")}>
            New workflow
          </Button>
        </>
      }
    >
      <div className={styles.bar}>
        <div className={styles.search}>
          <Search size={16} aria-hidden />
          <input
            type="search"
            aria-label="Search workflows"
            placeholder="Search by name or description"
            value={search}
            onChange={(event) => set("q", event.target.value)}
          />
        </div>
        <div className={styles.tabs} role="group" aria-label="Whose">
          <Button variant="ghost" size="small" aria-pressed={!shared} onClick={() => set("of", "")}>
            Yours
          </Button>
          <Button
            variant="ghost"
            size="small"
            aria-pressed={shared}
            onClick={() => set("of", "others")}
          >
            Shared with you
          </Button>
        </div>
      </div>
      {list.isPending && <Loading what="workflows" />}
      {list.isError && <Failed error={list.error} onRetry={() => void list.refetch()} />}
      {list.isSuccess && all.length === 0 && !shared && (
        <Empty
          icon={<WorkflowIcon size={26} />}
          title="Draw your first workflow"
          action={
            <Button variant="primary" icon={<Plus size={16} />} onClick={() => setDialog("new")}>
              New workflow
            </Button>
          }
        >
          Begin blank, with one of the gallery, or import what you have in Dify, n8n or React Flow.
        </Empty>
      )}
      {list.isSuccess && all.length === 0 && shared && (
        <Empty title="Nobody shares a workflow with you" />
      )}
      {all.length > 0 && shown.length === 0 && (
        <Empty title="No workflow is called like that">
          {list.hasNextPage ? "There are more that are not loaded yet." : null}
        </Empty>
      )}
      <ul className={styles.list}>
        {shown.map((one) => (
          <Row key={one.id} workflow={one} />
        ))}
      </ul>
      {list.hasNextPage && (
        <div className={styles.more}>
          <Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Load more
          </Button>
        </div>
      )}
      {dialog === "new" && <NewDialog open onClose={() => setDialog(null)} />}
      {dialog === "import" && <ImportDialog open onClose={() => setDialog(null)} />}
    </Page>
  )
}

const FORMATS: [ExportFormat, string][] = [
  ["pilot", "Export as πlot"],
  ["reactflow", "Export as React Flow"],
  ["mermaid", "Export as Mermaid"],
]

function Row({ workflow }: { workflow: WorkflowSummary }) {
  const { id, name } = workflow
  const { say, complain } = useToast()
  const navigate = useNavigate()
  const [removing, setRemoving] = useState<"ask" | "open" | null>(null)
  const remove = useWorkflowChange(deleteWorkflow)
  const duplicate = useWorkflowChange(duplicateWorkflow)

  function confirmed() {
    remove.mutate(
      { id, cancel: removing === "open" },
      {
        onSuccess: () => say(`${name} is deleted.`),
        onError: (error) => {
          // an open execution is in the way: what happens to it is asked first
          if (error instanceof Problem && error.status === 409 && removing === "ask") {
            setRemoving("open")
          } else {
            setRemoving(null)
            complain(error)
          }
        },
      },
    )
  }

  return (
    <li className={styles.row}>
      <Link to={`/workflows/${id}`} className={styles.rowLink}>
        <span className={styles.rowIcon} aria-hidden>
          <WorkflowIcon size={20} />
        </span>
        <span className={styles.rowNames}>
          <span className={styles.rowName}>{name}</span>
          {workflow.description !== "" && (
            <span className={styles.rowText}>{workflow.description}</span>
          )}
        </span>
      </Link>
      <Published workflow={workflow} />
      <span className={styles.when} title={exact(workflow.updated_at)}>
        {ago(workflow.updated_at)}
      </span>
      <Menu
        label={`More about ${name}`}
        items={[
          {
            label: "Duplicate",
            icon: <Copy size={16} />,
            onSelect: () =>
              duplicate.mutate(id, {
                onSuccess: (made) => void navigate(`/workflows/${made.id}`),
                onError: complain,
              }),
          },
          null,
          ...FORMATS.map(([format, label]) => ({
            label,
            icon: <Download size={16} />,
            onSelect: () => {
              downloadWorkflow(id, name, format).catch(complain)
            },
          })),
          null,
          {
            label: "Delete",
            icon: <Trash2 size={16} />,
            danger: true,
            onSelect: () => setRemoving("ask"),
          },
        ]}
      >
        {(trigger) => (
          <IconButton {...trigger} label={`More about ${name}`} icon={<Ellipsis size={18} />} />
        )}
      </Menu>
      <Confirm
        title={removing === "open" ? "It is running" : `Delete ${name}?`}
        open={removing !== null}
        onClose={() => setRemoving(null)}
        onConfirm={confirmed}
        busy={remove.isPending}
        action={removing === "open" ? "Cancel its runs and delete it" : "Delete"}
      >
        {removing === "open"
          ? "Executions of this workflow are open. They would be cancelled first."
          : "The workflow and its versions are removed for good. Its executions stay readable."}
      </Confirm>
    </li>
  )
}

function Published({ workflow }: { workflow: WorkflowSummary }) {
  const { publication, published_version: published, version } = workflow
  if (workflow.role != null) return <Badge tone="info">{workflow.role}</Badge>
  if (publication === 0) return <Badge>draft</Badge>
  if (published === null) return <Badge tone="warn">offline</Badge>
  return (
    <Badge tone="ok">
      {published === version ? `v${published} published` : `v${published} published, draft ahead`}
    </Badge>
  )
}
