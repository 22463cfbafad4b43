import { useQuery } from "@tanstack/react-query"
import { Link } from "react-router"

import { api, unwrap } from "../api/client"
import { Empty, Failed, Loading } from "../ui/State"
import { ago } from "../ui/time"
import { duration } from "./format"
import styles from "./run.module.css"
import { StatusBadge } from "./StatusBadge"

/** The runs that nodes of this one began. */
export function Children({ executionId, isOpen }: { executionId: string; isOpen: boolean }) {
  const children = useQuery({
    queryKey: ["executions", executionId, "children"],
    queryFn: () =>
      unwrap(
        api.GET("/api/v1/executions/{execution_id}/children", {
          params: { path: { execution_id: executionId }, query: { limit: 100 } },
        }),
      ),
    refetchInterval: isOpen ? 2_000 : false,
  })
  if (children.isPending) return <Loading what="child runs" />
  if (children.isError)
    return <Failed error={children.error} onRetry={() => void children.refetch()} />
  if (children.data.items.length === 0)
    return <Empty title="No child runs">Workflow nodes begin runs of their own.</Empty>
  return (
    <ul className={styles.children}>
      {children.data.items.map((one) => (
        <li key={one.id}>
          <StatusBadge status={one.status} />
          <Link to={`/executions/${one.id}`}>
            {one.parent?.node_id}
            {one.parent?.path ? ` ${one.parent.path}` : ""}
          </Link>
          <span className={styles.soft}>
            {one.started_at &&
              one.finished_at &&
              `${duration(Date.parse(one.finished_at) - Date.parse(one.started_at))} · `}
            {ago(one.created_at)}
          </span>
        </li>
      ))}
    </ul>
  )
}
