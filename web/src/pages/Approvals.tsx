import { Page } from "../layout/Page"

export function ApprovalsPage() {
  return <Page title="Approvals">{null}</Page>
}
