import { useQuery } from "@tanstack/react-query"
import { Activity } from "lucide-react"
import { Link } from "react-router"

import { api, unwrap } from "../api/client"
import { Page } from "../layout/Page"
import { Badge } from "../ui/Badge"
import { Empty, Failed, Loading } from "../ui/State"
import { ago, exact } from "../ui/time"

const REFRESH_MS = 5_000

/** The newest executions, kept up to date; each links to its page. */
export function ExecutionsPage() {
  const list = useQuery({
    queryKey: ["executions", "newest"],
    queryFn: () => unwrap(api.GET("/api/v1/executions", { params: { query: { limit: 100 } } })),
    refetchInterval: REFRESH_MS,
  })
  return (
    <Page title="Executions">
      {list.isPending ? (
        <Loading what="executions" />
      ) : list.isError ? (
        <Failed error={list.error} onRetry={() => void list.refetch()} />
      ) : list.data.items.length === 0 ? (
        <Empty icon={<Activity />} title="Nothing has run yet">
          Open a workflow and press Run.
        </Empty>
      ) : (
        <table>
          <thead>
            <tr>
              <th>Execution</th>
              <th>Status</th>
              <th>Begun</th>
            </tr>
          </thead>
          <tbody>
            {list.data.items.map((one) => (
              <tr key={one.id}>
                <td>
                  <Link to={`/executions/${one.id}`}>{one.id}</Link>
                </td>
                <td>
                  <Badge>{one.status}</Badge>
                </td>
                <td title={exact(one.created_at)}>{ago(one.created_at)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Page>
  )
}
