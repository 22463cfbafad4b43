import { describe, expect, it } from "vitest"

import { dayOf, daysOf, filtersOf, sinceOf } from "./filters"

const NOW = Date.parse("2026-03-02T23:30:00Z")

describe("the filters of executions", () => {
  it("are read from the address, and what is none is left out", () => {
    const given = new URLSearchParams("workflow_id=w&status=failed&days=7")
    expect(filtersOf(given)).toEqual({ workflow: "w", status: "failed", days: 7 })
    const none = new URLSearchParams("status=odd&days=8")
    expect(filtersOf(none)).toEqual({ workflow: null, status: null, days: 30 })
  })

  it("count today as a day, in UTC", () => {
    expect(sinceOf(1, NOW).toISOString()).toBe("2026-03-02T00:00:00.000Z")
    expect(dayOf(sinceOf(7, NOW))).toBe("2026-02-24")
    expect(daysOf(3, NOW)).toEqual(["2026-02-28", "2026-03-01", "2026-03-02"])
  })
})
