import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { Rocket, X } from "lucide-react"
import { useState } from "react"
import { api, unwrap, unwrapTagged } from "../api/client"
import { Badge } from "../ui/Badge"
import { Button, IconButton } from "../ui/Button"
import { Failed, Loading } from "../ui/State"
import { ago, exact } from "../ui/time"
import { useToast } from "../ui/Toast"
import { useEditing, useSaver } from "./context"
import { Diff } from "./Diff"
import { opened } from "./documents"
import styles from "./panel.module.css"

/** The versions of a workflow (docs/versions.md): what is published, what was, and what is
 * different. */
export function VersionsPanel(props: { onClose: () => void; onPublish: () => void }) {
  const { id, canvas, saver } = useEditing()
  const draft = useSaver((state) => state.at.version)
  const [compared, setCompared] = useState<number | null>(null)
  const queries = useQueryClient()
  const { say, complain } = useToast()
  const list = useInfiniteQuery({
    queryKey: ["workflows", id, "versions", draft],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/api/v1/workflows/{workflow_id}/versions", {
          params: {
            path: { workflow_id: id },
            query: { limit: 30, ...(pageParam === "" ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  })
  const versions = list.data?.pages.flatMap((page) => page.items) ?? []
  const published = versions.some((one) => one.is_published)

  const restore = useMutation({
    mutationFn: async (version: number) => {
      if (!(await saver.getState().flush())) throw new Error("The draft could not be saved first.")
      const restored = await unwrapTagged(
        api.POST("/api/v1/workflows/{workflow_id}/versions/{version}/restore", {
          params: {
            path: { workflow_id: id, version },
            header: { "if-match": saver.getState().at.etag },
          },
        }),
      )
      return opened(restored.body, restored.etag)
    },
    onSuccess: ({ doc, at }, version) => {
      saver.getState().adopt(doc, at)
      canvas.getState().load(doc)
      say(`The draft is as version ${version} was. What was the draft stays in the list.`)
    },
    onError: complain,
  })
  const unpublish = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/api/v1/workflows/{workflow_id}/unpublish", {
          params: { path: { workflow_id: id } },
          body: {},
        }),
      ),
    onSuccess: () => {
      say("The workflow is offline: nothing runs until a version is published.")
      void queries.invalidateQueries({ queryKey: ["workflows"] })
    },
    onError: complain,
  })

  return (
    <aside className={styles.panel} aria-label="Versions">
      <header className={styles.head}>
        <div className={styles.names}>
          <h2 style={{ fontSize: 16 }}>Versions</h2>
        </div>
        <Button
          size="small"
          variant="primary"
          icon={<Rocket size={14} />}
          onClick={props.onPublish}
        >
          Publish
        </Button>
        <IconButton size="small" label="Close" icon={<X size={17} />} onClick={props.onClose} />
      </header>
      <div className={styles.content}>
        {compared !== null && (
          <Compared from={compared} to={draft} onClose={() => setCompared(null)} />
        )}
        {list.isPending && <Loading what="versions" />}
        {list.isError && <Failed error={list.error} onRetry={() => void list.refetch()} />}
        <ul className={styles.versions}>
          {versions.map((one) => (
            <li key={one.version}>
              <div className={styles.versionHead}>
                <strong>Version {one.version}</strong>
                {one.version === draft && <Badge tone="accent">draft</Badge>}
                {one.is_published && <Badge tone="ok">published</Badge>}
                <time dateTime={one.created_at} title={exact(one.created_at)}>
                  {ago(one.created_at)}
                </time>
              </div>
              {one.note !== null && <p>{one.note}</p>}
              {one.created_by !== null && <p>by {one.created_by}</p>}
              <div className={styles.actions}>
                {one.version !== draft && (
                  <>
                    <Button size="small" onClick={() => setCompared(one.version)}>
                      Compare
                    </Button>
                    <Button
                      size="small"
                      busy={restore.isPending && restore.variables === one.version}
                      onClick={() => restore.mutate(one.version)}
                    >
                      Restore
                    </Button>
                  </>
                )}
              </div>
            </li>
          ))}
        </ul>
        {list.hasNextPage && (
          <Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Older ones
          </Button>
        )}
        {published && (
          <Button variant="danger" busy={unpublish.isPending} onClick={() => unpublish.mutate()}>
            Take offline
          </Button>
        )}
      </div>
    </aside>
  )
}

function Compared(props: { from: number; to: number; onClose: () => void }) {
  const { id } = useEditing()
  const found = useQuery({
    queryKey: ["workflows", id, "diff", props.from, props.to],
    queryFn: () =>
      unwrap(
        api.GET("/api/v1/workflows/{workflow_id}/versions/diff", {
          params: { path: { workflow_id: id }, query: { from: props.from, to: props.to } },
        }),
      ),
  })
  return (
    <section aria-label="The difference">
      <div className={styles.versionHead}>
        <strong>
          From {props.from} to {props.to}
        </strong>
        <IconButton
          size="small"
          label="Close the comparison"
          icon={<X size={15} />}
          onClick={props.onClose}
        />
      </div>
      {found.isPending && <Loading what="the difference" />}
      {found.isError && <Failed error={found.error} />}
      {found.isSuccess && <Diff diff={found.data} />}
    </section>
  )
}
