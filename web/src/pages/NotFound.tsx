import { Page } from "../layout/Page"
import { ButtonLink } from "../ui/Button"
import { Empty } from "../ui/State"

export function NotFoundPage() {
  return (
    <Page title="Not found">
      <Empty
        title="There is nothing at this address"
        action={<ButtonLink to="/workflows">To the workflows</ButtonLink>}
      />
    </Page>
  )
}
