// Text to SQL, one of Aragog's four workflows (arXiv 2511.20975):
// Keyword → ColumnSel → SQLGen → Refiner. Four stages of three models: 81 configurations. Prompts
// are ours.

flow.agent @keyword
  system "List the words of the question that name tables, columns or values."
  prompt "{question}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.agent @column_sel
  system "List the columns of the schema that the question needs."
  prompt "{question}\n\n{schema}\n\n{keywords}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.agent @sql_gen
  system "Write one SQL query that answers the question."
  prompt "{question}\n\n{schema}\n\n{columns}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.agent @refiner
  system "Correct the query where it does not answer the question. Give the query alone."
  prompt "{question}\n\n{schema}\n\n{query}"
  space <models = ["llama-3.1-8b", "gpt-oss-120b", "llama-3.3-70b"]>
  baseline <"llama-3.3-70b">

flow.workflow @text_to_sql(%question: !flow.text, %schema: !flow.text) -> !flow.text {
  %keywords = flow.call @keyword(%question) : (!flow.text) -> !flow.text
  %columns = flow.call @column_sel(%question, %schema, %keywords)
    : (!flow.text, !flow.text, !flow.text) -> !flow.text
  %query = flow.call @sql_gen(%question, %schema, %columns)
    : (!flow.text, !flow.text, !flow.text) -> !flow.text
  %refined = flow.call @refiner(%question, %schema, %query)
    : (!flow.text, !flow.text, !flow.text) -> !flow.text
  flow.return %refined : !flow.text
}
