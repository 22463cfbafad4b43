import { useQuery } from "@tanstack/react-query"
import { UserCheck } from "lucide-react"
import { Link } from "react-router"

import { api, unwrap } from "../api/client"
import { Page } from "../layout/Page"
import { ApprovalForm, pathOf } from "../run/ApprovalForm"
import { Empty, Failed, Loading } from "../ui/State"

const REFRESH_MS = 5_000

/** What waits for the user's answer. */
export function ApprovalsPage() {
  const list = useQuery({
    queryKey: ["approvals", "mine"],
    queryFn: () => unwrap(api.GET("/api/v1/approvals", { params: { query: { limit: 100 } } })),
    refetchInterval: REFRESH_MS,
  })
  return (
    <Page title="Approvals">
      {list.isPending ? (
        <Loading what="approvals" />
      ) : list.isError ? (
        <Failed error={list.error} onRetry={() => void list.refetch()} />
      ) : list.data.items.length === 0 ? (
        <Empty icon={<UserCheck />} title="Nothing waits for you">
          Approvals that you may answer are listed here.
        </Empty>
      ) : (
        list.data.items.map((one) => (
          <section key={`${one.execution_id} ${one.node_id} ${pathOf(one)}`}>
            <h2>
              <Link to={`/executions/${one.execution_id}`}>{one.node_id}</Link>
            </h2>
            <ApprovalForm approval={one} onAnswered={() => void list.refetch()} />
          </section>
        ))
      )}
    </Page>
  )
}
