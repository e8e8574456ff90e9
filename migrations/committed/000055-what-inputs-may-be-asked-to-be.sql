--! Previous: sha1:d0b0c42c99c604b846a5250e4dce7010f3f3b703
--! Hash: sha1:9fd0495facd8f140c1b6204e05a2fcfa3fb93dd2
--! Message: what inputs may be asked to be

/*
 * What a workflow asks of its inputs can be read by whoever starts it, also where it was registered from SQL.
 */
create function sluice.input_problems(p_input_schema jsonb) returns setof text
  language sql immutable
begin atomic
  select format('its input schema is %s, it has to be a JSON object', coalesce(p_input_schema, 'null'))
   where jsonb_typeof(p_input_schema) is distinct from 'object'
  union all
  select format('"%s" of its input schema is %s, it has to be %s', field.name, p_input_schema -> field.name, field.rule)
    from (values ('type',       'strict $.type ? (@ != "object")'::jsonpath,                                            '"object"'),
                 ('properties', 'strict $.properties ? (@.type() != "object" || exists (@.* ? (@.type() != "object" && @.type() != "boolean")))', 'an object of schemas'),
                 ('required',   'strict $.required ? (@.type() != "array" || exists (@[*] ? (@.type() != "string")))', 'a list of names')) as field(name, broken, rule)
   where jsonb_typeof(p_input_schema) = 'object'
     and jsonb_path_exists(p_input_schema, field.broken, '{}', true);
end;

comment on function sluice.input_problems(jsonb) is 'What is wrong with the schema of a workflow''s inputs, in words.';

create or replace function sluice.workflow_problems(p_name text, p_tasks jsonb, p_input_schema jsonb default '{"type": "object"}',
                                                    p_subject jsonb default '[]') returns setof text
  language sql immutable
begin atomic
  select 'a workflow''s name is a small letter, then at most 62 small letters, digits, "_" or "-"'
   where coalesce(p_name, '') !~ '^[a-z][a-z0-9_-]{0,62}$'
  union all
  select sluice.input_problems(p_input_schema)
  union all
  select sluice.field_problems(p_tasks)
  union all
  select sluice.graph_problems(p_tasks, p_input_schema)
  union all
  select sluice.subject_problems(p_tasks, p_input_schema, p_subject);
end;
