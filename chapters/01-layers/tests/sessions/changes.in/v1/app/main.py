print("hello from version 1")
