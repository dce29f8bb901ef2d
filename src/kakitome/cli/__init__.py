"""The command line: it translates words into calls and answers into words, and decides nothing.

    main      from arguments to an exit code      grammar   every command and option
    out       what is printed, and where          session   the instance that a command works on

A module for each family of commands; none is imported before its command is called, so that help is quick.
"""
