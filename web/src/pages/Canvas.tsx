import { useQuery } from "@tanstack/react-query"
import { ReactFlowProvider } from "@xyflow/react"
import { useEffect, useState } from "react"
import { useBlocker, useParams } from "react-router"
import { useNodeTypes, type NodeTypes } from "../api/hooks"
import { Board } from "../canvas/Board"
import styles from "../canvas/canvas.module.css"
import { EditingContext, useCanvas, type Editing } from "../canvas/context"
import { openWorkflow, saveWorkflow, type Opened } from "../canvas/documents"
import { IssuesBox } from "../canvas/IssuesBox"
import { NodePanel } from "../canvas/NodePanel"
import { PublishDialog } from "../canvas/PublishDialog"
import { createSaver } from "../canvas/saver"
import { createCanvas } from "../canvas/store"
import { TopBar } from "../canvas/TopBar"
import { useValidation } from "../canvas/useValidation"
import { VersionsPanel } from "../canvas/VersionsPanel"
import { Page } from "../layout/Page"
import { StartDialog } from "../run/StartDialog"
import { Failed, Loading } from "../ui/State"
import { useToast } from "../ui/Toast"

export function CanvasPage() {
  const { id = "" } = useParams()
  const types = useNodeTypes()
  const workflow = useQuery({
    queryKey: ["workflows", id, "canvas"],
    queryFn: () => openWorkflow(id),
    // what is edited is not replaced under the editor's hands, and each visit reads it anew
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  })
  const error = types.error ?? workflow.error
  if (error) {
    return (
      <Page title="Workflow">
        <Failed
          error={error}
          onRetry={() => {
            void types.refetch()
            void workflow.refetch()
          }}
        />
      </Page>
    )
  }
  if (!types.data || !workflow.data) return <Loading what="the workflow" />
  return <Editor key={id} id={id} types={types.data} opened={workflow.data} />
}

function Editor({ id, types, opened }: { id: string; types: NodeTypes; opened: Opened }) {
  const [editing] = useState((): Editing => {
    const { role } = opened.workflow
    const readOnly = role === "viewer" || role === "runner"
    const canvas = createCanvas(types, opened.doc, readOnly)
    canvas.getState().setIssues(opened.workflow.issues)
    const saver = createSaver(opened.doc, opened.at, (doc, etag) => saveWorkflow(id, doc, etag))
    return { id, canvas, saver, readOnly }
  })
  return (
    <EditingContext.Provider value={editing}>
      <ReactFlowProvider>
        <Opened editing={editing} types={types} />
      </ReactFlowProvider>
    </EditingContext.Provider>
  )
}

function Opened({ editing, types }: { editing: Editing; types: NodeTypes }) {
  const { canvas, saver, id } = editing
  const [side, setSide] = useState<"versions" | null>(null)
  const [issues, setIssues] = useState(false)
  const [dialog, setDialog] = useState<"run" | "publish" | null>(null)
  const selected = useCanvas((state) => state.selected)
  const name = useCanvas((state) => state.doc.name)
  const { complain } = useToast()
  useValidation()
  useSaving(editing)

  useEffect(() => {
    document.title = `${name} · πlot`
  }, [name])

  // whoever chooses a node wants to see it
  useEffect(() => {
    if (selected.size > 0) setSide(null)
  }, [selected])

  async function saved(then: "run" | "publish") {
    if (await saver.getState().flush()) setDialog(then)
    else complain(saver.getState().error ?? "The draft could not be saved: see at the top.")
  }

  return (
    <main id="main" className={styles.page} tabIndex={-1}>
      <TopBar
        onIssues={() => setIssues(!issues)}
        onVersions={() => {
          canvas.getState().select([])
          setSide(side === null ? "versions" : null)
        }}
        onPublish={() => void saved("publish")}
        onRun={() => void saved("run")}
      />
      <div className={styles.body}>
        <Board types={types} />
        {side === "versions" ? (
          <VersionsPanel onClose={() => setSide(null)} onPublish={() => void saved("publish")} />
        ) : (
          <NodePanel types={types} />
        )}
        {issues && <IssuesBox onClose={() => setIssues(false)} />}
      </div>
      {dialog === "publish" && <PublishDialog onClose={() => setDialog(null)} />}
      <StartDialog
        workflowId={id}
        version="draft"
        open={dialog === "run"}
        onClose={() => setDialog(null)}
      />
    </main>
  )
}

/** Saves what changes, and lets nobody leave before it is. */
function useSaving({ canvas, saver }: Editing) {
  useEffect(
    () =>
      canvas.subscribe((state, before) => {
        if (state.doc !== before.doc) saver.getState().changed(state.doc)
      }),
    [canvas, saver],
  )

  useEffect(() => {
    function leaving(event: BeforeUnloadEvent) {
      if (saver.getState().status !== "saved") event.preventDefault()
    }
    window.addEventListener("beforeunload", leaving)
    return () => window.removeEventListener("beforeunload", leaving)
  }, [saver])

  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) =>
      saver.getState().status !== "saved" && currentLocation.pathname !== nextLocation.pathname,
  )
  useEffect(() => {
    if (blocker.state !== "blocked") return
    void saver
      .getState()
      .flush()
      .then((isSaved) => {
        if (isSaved || window.confirm("Your last changes are not saved. Leave without them?")) {
          blocker.proceed()
        } else blocker.reset()
      })
  }, [blocker, saver])
}
