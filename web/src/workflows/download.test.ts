import { fileName } from "./download"

test.each([
  ["Simple Chatbot", "Simple_Chatbot"],
  ["../../etc/passwd", ".._.._etc_passwd"],
  ["Übersicht: täglich!", "Übersicht_täglich"],
  ["***", "workflow"],
])("%s is saved as %s", (name, file) => {
  expect(fileName(name)).toBe(file)
})
