import { useRouteError } from "react-router"
import { Page } from "../layout/Page"
import { Failed } from "../ui/State"

/** Where a page threw. What was saved is on the server, so loading it again is safe. */
export function BrokenPage() {
  return (
    <Page title="πlot">
      <Failed error={useRouteError()} onRetry={() => location.reload()} />
    </Page>
  )
}
